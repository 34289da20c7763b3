// The modules that the program has imported, as far as frameworks are looked for among them.
#pragma once

#include <cstdint>

#include "interpreter/dict_version.hpp"
#include "interpreter/ref.hpp"

namespace switchback::tasks {

using interpreter::RaisedScope;
using interpreter::Ref;

// Imports nothing itself. One object a module of ours; used under the GIL.
class LoadedModules {
 public:
  // Once, when our module is made.
  void start() { modules_ = Ref::borrow(PyImport_GetModuleDict()); }

  // Whether there may be others than when they were looked through last.
  bool changed() const { return modules_ && state() != looked_through_; }
  void note_looked_through() { looked_through_ = state(); }

  // Has changed() say so where sys.modules may have changed without our being told.
  void look_again() {
    if (!interpreter::dicts_have_versions) looked_through_ = 0;
  }

  // sys.modules[module_name].attribute, or an empty reference, without an exception. May run Python
  // code, of a module that is looked at.
  Ref attribute(PyObject* module_name, const char* attribute);

  int traverse(visitproc visit, void* arg) {
    Py_VISIT(modules_.get());
    return 0;
  }
  void clear() { modules_ = Ref(); }

 private:
  // Differs from before when sys.modules has changed; without versions, only mostly: an import adds
  // to it. Never 0.
  std::uint64_t state() const {
    if (interpreter::dicts_have_versions) return interpreter::version_of(modules_.get());
    return static_cast<std::uint64_t>(PyDict_GET_SIZE(modules_.get())) + 1;
  }

  Ref modules_;                       // sys.modules
  std::uint64_t looked_through_ = 0;  // its state when that was done last; 0: look again
};

}  // namespace switchback::tasks
