// Following the instructions of a code object, and what each adds to the value stack.
#include "interpreter/stack_depths.hpp"

#if SWITCHBACK_KNOWS_FRAMES && PY_VERSION_HEX < 0x030E0000
#include <opcode.h>

#include <algorithm>
#include <limits>
#include <new>

#include "interpreter/ref.hpp"

namespace switchback::interpreter {
namespace {

constexpr std::int16_t unreached = -1;

// Where an instruction may go on to other than the next.
enum class Jump : std::uint8_t { none, forward, backward };

Jump jump_of(int opcode) {
  switch (opcode) {
    case FOR_ITER:
    case SEND:
    case JUMP_FORWARD:
#if PY_VERSION_HEX >= 0x030C0000
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_TRUE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
#else
    case JUMP_IF_FALSE_OR_POP:
    case JUMP_IF_TRUE_OR_POP:
    case POP_JUMP_FORWARD_IF_FALSE:
    case POP_JUMP_FORWARD_IF_TRUE:
    case POP_JUMP_FORWARD_IF_NONE:
    case POP_JUMP_FORWARD_IF_NOT_NONE:
#endif
      return Jump::forward;
    case JUMP_BACKWARD:
    case JUMP_BACKWARD_NO_INTERRUPT:
#if PY_VERSION_HEX < 0x030C0000
    case POP_JUMP_BACKWARD_IF_FALSE:
    case POP_JUMP_BACKWARD_IF_TRUE:
    case POP_JUMP_BACKWARD_IF_NONE:
    case POP_JUMP_BACKWARD_IF_NOT_NONE:
#endif
      return Jump::backward;
    default:
      return Jump::none;
  }
}

// Whether control never goes on to the next instruction.
bool ends(int opcode) {
  switch (opcode) {
    case RETURN_VALUE:
    case RAISE_VARARGS:
    case RERAISE:
    case JUMP_FORWARD:
    case JUMP_BACKWARD:
    case JUMP_BACKWARD_NO_INTERRUPT:
#if PY_VERSION_HEX >= 0x030C0000
    case RETURN_CONST:
    case INTERPRETER_EXIT:
#endif
      return true;
    default:
      return false;
  }
}

void set_kind(StackDepths::Place& place, int opcode, int argument) {
  switch (opcode) {
#if PY_VERSION_HEX >= 0x030D0000
    case CALL_KW:
      place.has_names = true;
      [[fallthrough]];
#endif
    case CALL:
#if PY_VERSION_HEX < 0x030C0000
    case PRECALL:
#endif
      place.kind = StackDepths::Kind::call;
      place.arguments = static_cast<std::int16_t>(argument);
      break;
    case SEND:
      place.kind = StackDepths::Kind::send;
      break;
    case FOR_ITER:
      place.kind = StackDepths::Kind::for_iter;
      break;
    default:
      break;
  }
}

// The entries of an exception table: from `start`, `length` units are handled at `target`, with so
// much on the value stack, and beside that the exception, and where it was raised or not.
struct Handler {
  int start, length, target, depth;
  bool keeps_place;
};

class ExceptionTable {
 public:
  explicit ExceptionTable(PyCodeObject* code)
      : next_(reinterpret_cast<const unsigned char*>(PyBytes_AS_STRING(code->co_exceptiontable))),
        end_(next_ + PyBytes_GET_SIZE(code->co_exceptiontable)) {}

  bool read(Handler& handler) {
    if (next_ >= end_) return false;
    handler.start = number();
    handler.length = number();
    handler.target = number();
    const int depth = number();
    handler.depth = depth >> 1;
    handler.keeps_place = (depth & 1) != 0;
    return true;
  }

 private:
  int number() {
    constexpr int more = 64, digits = 63;
    int value = 0;
    while (next_ < end_) {
      const int byte = *next_++;
      value = (value << 6) | (byte & digits);
      if ((byte & more) == 0) break;
    }
    return value;
  }

  const unsigned char* next_;
  const unsigned char* end_;
};

// The number by which an interpreter knows these facts among what others keep with code objects.
// The main interpreter's, as there is no other.
Py_ssize_t extra_index(freefunc free) {
  static const Py_ssize_t index = request_code_extra(free);
  return index;
}

}  // namespace

const StackDepths* StackDepths::of(PyCodeObject* code) {
  const Py_ssize_t index = extra_index(&StackDepths::free);
  if (index < 0) return nullptr;
  if (void* known = code_extra(code, index)) return static_cast<const StackDepths*>(known);
  const RaisedScope raised;
  // As the compiler has made it, whatever the interpreter has put in its place.
  Ref text = Ref::steal(PyCode_GetCode(code));
  StackDepths* depths =
      text ? make(code, reinterpret_cast<const unsigned char*>(PyBytes_AS_STRING(text.get())),
                  static_cast<int>(PyBytes_GET_SIZE(text.get()) / 2))
           : nullptr;
  if (depths != nullptr && !set_code_extra(code, index, depths)) {
    free(depths);
    depths = nullptr;
  }
  PyErr_Clear();
  return depths;
}

StackDepths* StackDepths::make(PyCodeObject* code, const unsigned char* text, int count) {
  void* const memory =
      PyMem_RawMalloc(sizeof(StackDepths) + static_cast<std::size_t>(count) * sizeof(Place));
  if (memory == nullptr) return nullptr;
  auto* const depths = ::new (memory) StackDepths(count);
  Place empty{};
  empty.depth = unreached;
  std::fill_n(depths->places(), count, empty);
  const bool certain = find_depths(code, text, count, depths->places());
  for (int unit = 0; unit < count; ++unit) {
    Place& place = depths->places()[unit];
    if (!certain || place.depth == unreached) place = Place{};
#if PY_VERSION_HEX < 0x030C0000
    // PRECALL has counted the arguments as taken, but has left them there.
    if (place.kind == Kind::call && text[2 * unit] == CALL) place.depth += place.arguments;
#endif
  }
  return depths;
}

// Returns false where the code is not what a compiler makes.
bool StackDepths::find_depths(PyCodeObject* code, const unsigned char* text, int count,
                              Place* places) {
  bool certain = true, again = true;
  const auto reach = [&](int unit, int depth) {
    constexpr int most = std::numeric_limits<std::int16_t>::max();
    const bool is_place =
        unit >= 0 && unit < count && depth >= 0 && depth <= std::min(code->co_stacksize, most);
    if (is_place && places[unit].depth == unreached) {
      places[unit].depth = static_cast<std::int16_t>(depth);
      again = true;
    } else if (!is_place || places[unit].depth != depth) {
      certain = false;
    }
  };
  // Up to 3.12 a generator drops what it is sent first, which no instruction has put there.
  constexpr int waits = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR | CO_ITERABLE_COROUTINE;
  const bool counts_sent = PY_VERSION_HEX < 0x030D0000 && (code->co_flags & waits) != 0;
  reach(0, counts_sent ? 1 : 0);
  Handler handler{};
  for (ExceptionTable table(code); certain && table.read(handler);) {
    reach(handler.target, handler.depth + (handler.keeps_place ? 2 : 1));
    for (int unit = handler.start; unit < handler.start + handler.length && unit < count; ++unit) {
      places[unit].handled = static_cast<std::int16_t>(handler.depth);
    }
  }
  while (certain && again) {
    again = false;
    int argument = 0;
    for (int unit = 0; certain && unit < count;) {
      const int opcode = text[2 * unit];
      argument = (argument << 8) | text[2 * unit + 1];
      int next = unit + 1;
      while (next < count && text[2 * next] == CACHE) ++next;
      const int depth = places[unit].depth;
      if (depth != unreached) {
        set_kind(places[unit], opcode, argument);
        const int used = opcode >= HAVE_ARGUMENT ? argument : 0;
        const Jump jump = jump_of(opcode);
        if (jump != Jump::none) {
          const int effect = PyCompile_OpcodeStackEffectWithJump(opcode, used, 1);
          if (effect == PY_INVALID_STACK_EFFECT) return false;
          reach(jump == Jump::forward ? next + argument : next - argument, depth + effect);
        }
        if (!ends(opcode)) {
          const int effect =
              opcode == EXTENDED_ARG ? 0 : PyCompile_OpcodeStackEffectWithJump(opcode, used, 0);
          if (effect == PY_INVALID_STACK_EFFECT) return false;
          reach(next, depth + effect);
        }
      }
      if (opcode != EXTENDED_ARG) argument = 0;
      unit = next;
    }
  }
  return certain;
}

void StackDepths::free(void* depths) { PyMem_RawFree(depths); }

}  // namespace switchback::interpreter
#endif
