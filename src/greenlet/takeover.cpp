// Finding the parts of greenlet that switch, and putting others in their places.
#include "greenlet/takeover.hpp"

#include <type_traits>
#include <utility>

#include "fiber/thread.hpp"
#include "greenlet/api.hpp"
#include "interpreter/stack_state.hpp"

namespace switchback::greenlet {
namespace {

using fiber::Call;
using fiber::StackFiber;
using fiber::Thread;
using interpreter::RaisedScope;
using interpreter::Ref;

using ApiSwitch = PyObject*(PyObject*, PyObject*, PyObject*);
using ApiThrow = PyObject*(PyObject*, PyObject*, PyObject*, PyObject*);

// greenlet's own functions, and where they come from.
struct Originals {
  Api api;
  PyCFunctionWithKeywords method_switch = nullptr;
  PyCFunction method_throw = nullptr;
  ApiSwitch* api_switch = nullptr;
  ApiThrow* api_throw = nullptr;
  destructor dealloc = nullptr;
};
constinit Originals originals;
// Never destroyed: greenlets may be dropped at the very end.
static_assert(std::is_trivially_destructible_v<Originals>);
constinit bool taken = false;
constinit const char* found_obstacle = nullptr;

constexpr char no_api[] = "greenlet has no C API of the kind that is known";
constexpr char other_parts[] =
    "greenlet is of another kind than those that are known: its type, its methods or its C API "
    "are not what is expected";
constexpr char too_late[] =
    "greenlet was imported without our being told, after the first portal had begun: import it "
    "before";

// Calls `function` with what it is given, on the thread's own stack.
template <typename Function>
PyObject* on_own_stack(Function function) {
  StackFiber* const fiber = Thread::native_fiber();
  if (fiber == nullptr) return function();
  const Call call = {[](void* argument) { return (*static_cast<Function*>(argument))(); },
                     &function};
  return fiber->run_errand(call, originals.api, true);
}

PyObject* method_switch(PyObject* self, PyObject* args, PyObject* kwargs) {
  return on_own_stack([=] { return originals.method_switch(self, args, kwargs); });
}

PyObject* method_throw(PyObject* self, PyObject* args) {
  return on_own_stack([=] { return originals.method_throw(self, args); });
}

PyObject* api_switch(PyObject* self, PyObject* args, PyObject* kwargs) {
  return on_own_stack([=] { return originals.api_switch(self, args, kwargs); });
}

PyObject* api_throw(PyObject* self, PyObject* type, PyObject* value, PyObject* traceback) {
  return on_own_stack([=] { return originals.api_throw(self, type, value, traceback); });
}

// Raises GreenletExit in one that has not ended, which is a switch.
void dealloc(PyObject* self) {
  if (Thread::native_fiber() == nullptr || !originals.api.active(self)) {
    originals.dealloc(self);
    return;
  }
  RaisedScope raised;
  // It may come to wait in await_(), and something else to go on from there.
  const Ref result = Ref::steal(on_own_stack([=]() -> PyObject* {
    originals.dealloc(self);
    return nullptr;
  }));
  if (!result && PyErr_Occurred()) PyErr_WriteUnraisable(nullptr);
}

PyMethodDef* method_of(PyTypeObject* type, const char* name, int flags) {
  PyObject* const method = PyDict_GetItemString(type->tp_dict, name);
  if (method == nullptr || !Py_IS_TYPE(method, &PyMethodDescr_Type)) return nullptr;
  PyMethodDef* const definition = reinterpret_cast<PyMethodDescrObject*>(method)->d_method;
  return definition->ml_flags == flags && definition->ml_meth != nullptr ? definition : nullptr;
}

bool is_expected(const Api& api, const PyMethodDef* switching, const PyMethodDef* throwing) {
  PyTypeObject* const type = api.type();
  return switching != nullptr && throwing != nullptr && type->tp_dealloc != nullptr &&
         api.table()[Api::switch_index] != nullptr && api.table()[Api::throw_index] != nullptr;
}

PyCFunction as_method(PyCFunctionWithKeywords function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Whether what `table` has is what we have put there.
bool is_ours(const Api& api) {
  return api.table()[Api::switch_index] == reinterpret_cast<void*>(&api_switch);
}

// Returns why not, or nullptr.
const char* take_parts() {
  Api api;
  if (!api.load()) return no_api;
  if (taken && is_ours(api)) return nullptr;  // imported once more
  PyTypeObject* const type = api.type();
  if (type == nullptr || !PyType_Check(reinterpret_cast<PyObject*>(type)) ||
      type->tp_dict == nullptr) {
    return other_parts;
  }
  PyMethodDef* const switching = method_of(type, "switch", METH_VARARGS | METH_KEYWORDS);
  PyMethodDef* const throwing = method_of(type, "throw", METH_VARARGS);
  if (taken || !is_expected(api, switching, throwing)) return other_parts;
  originals.api = api;
  originals.method_switch = reinterpret_cast<PyCFunctionWithKeywords>(
      reinterpret_cast<void (*)()>(std::exchange(switching->ml_meth, as_method(&method_switch))));
  originals.method_throw = std::exchange(throwing->ml_meth, &method_throw);
  originals.api_switch = reinterpret_cast<ApiSwitch*>(
      std::exchange(api.table()[Api::switch_index], reinterpret_cast<void*>(&api_switch)));
  originals.api_throw = reinterpret_cast<ApiThrow*>(
      std::exchange(api.table()[Api::throw_index], reinterpret_cast<void*>(&api_throw)));
  originals.dealloc = std::exchange(type->tp_dealloc, &dealloc);
  taken = true;
  return nullptr;
}

}  // namespace

void Takeover::take() {
  if (interpreter::native_obstacle() != nullptr) return;
  RaisedScope raised;
  found_obstacle = take_parts();
  interpreter::clear_error_but_interrupts();
}

void Takeover::take_if_early() {
  if (taken || found_obstacle != nullptr) return;
  if (StackFiber::live() == 0) {
    take();
  } else {
    found_obstacle = too_late;
  }
}

bool Takeover::done() { return taken && found_obstacle == nullptr; }
const char* Takeover::obstacle() { return found_obstacle; }

}  // namespace switchback::greenlet
