// What CurrentTasks asks of a framework: the interface behind which each is a class of its own.
#pragma once

#include <concepts>

#include "tasks/loaded_modules.hpp"

namespace switchback::tasks {

// All of it is called under the GIL. Nothing fails: a framework that raises counts as having no
// current task.
//
//   find(modules)         takes note of the framework if the program has imported it by now. This
//                         may run Python code.
//   is_loaded()           whether it has been found.
//   current(thread_state) the task that runs in the calling thread, as a borrowed pointer that is
//                         compared and never followed; nullptr for none. May run Python code.
//   is_marked()           whether each change of its current task can be told by a mark, without a
//                         look-up (true as well where the framework is not loaded).
//   traverse(), clear()   of the objects that it holds.
template <typename T>
concept Framework = requires(T framework, LoadedModules& modules, PyThreadState* thread_state,
                             visitproc visit, void* arg) {
  framework.find(modules);
  { framework.is_loaded() } -> std::same_as<bool>;
  { framework.current(thread_state) } -> std::same_as<PyObject*>;
  { framework.is_marked() } -> std::same_as<bool>;
  { framework.traverse(visit, arg) } -> std::same_as<int>;
  framework.clear();
};

// A mark changes whenever the framework's current task does. It is of the type `Mark`, and
// `mark(thread_state, now)` returns false where nothing can be told for once.
template <typename T>
concept MarkedFramework =
    Framework<T> && requires(T framework, PyThreadState* thread_state, typename T::Mark mark) {
      { framework.mark(thread_state, mark) } -> std::same_as<bool>;
      { mark == mark } -> std::same_as<bool>;
    };

}  // namespace switchback::tasks
