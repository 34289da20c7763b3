# cython: language_level=3
# An extension module by Cython that calls back in each of the ways that Cython has.


cdef int call(void* function, int x) noexcept with gil:
    return (<object> function)(x)


cdef int call_or_raise(object function, int x) except -1:
    return function(x)


def without_gil(function, int x):
    """Release the GIL, and take it again for each call."""
    cdef void* borrowed = <void*> function
    cdef int total
    with nogil:
        total = call(borrowed, x)
        total += call(borrowed, x + 1)
    return total


def with_gil(function, int x):
    return call_or_raise(function, x) + call_or_raise(function, x + 1)


def generate(function, int count):
    cdef int x
    for x in range(count):
        yield function(x)


def handle(function):
    """Call while an exception is being handled, and after it."""
    try:
        raise LookupError("handled")
    except LookupError as error:
        function(1)
        before = str(error)
    function(2)
    return before


cdef class Shape:
    cdef public int side

    def __init__(self, int side):
        self.side = side

    cpdef int area(self, int scale) except -1:
        return self.side * scale

    def twice_the_area(self, int scale):
        return self.area(scale) + self.area(scale)


async def await_callback(function):
    return function(1)
