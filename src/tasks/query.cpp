// Which functions can be called directly.
#include "tasks/query.hpp"

#include <utility>

namespace switchback::tasks {

void Query::set(Ref function) {
  PyObject* object = function.get();
  const bool is_direct = object != nullptr && PyCFunction_CheckExact(object) &&
                         PyCFunction_GET_FLAGS(object) == METH_NOARGS;
  direct_ = is_direct ? PyCFunction_GET_FUNCTION(object) : nullptr;
  self_ = is_direct ? PyCFunction_GET_SELF(object) : nullptr;
  function_ = std::move(function);
}

}  // namespace switchback::tasks
