// How much of a frame's value stack is in use where its code calls C: a fact of the code, for the
// minors that do not note it in the frame.
#pragma once

#include <cstdint>

#include "interpreter/python_frames.hpp"

#if SWITCHBACK_KNOWS_FRAMES && PY_VERSION_HEX < 0x030E0000
namespace switchback::interpreter {

// Lies behind the code object, and goes with it.
class StackDepths {
 public:
  enum class Kind : std::uint8_t {
    other,
    call,      // callable and NULL or self, in some order, and the arguments
    send,      // the receiver, and the value sent
    for_iter,  // the iterator
  };
  struct Place {
    std::int16_t depth;    // as the instruction begins
    std::int16_t handled;  // of that, what is left where an exception of the instruction is handled
    Kind kind;
    bool has_names;          // of a call: the names of arguments lie on top of them
    std::int16_t arguments;  // of a call: how many
  };

  // nullptr where they cannot be had. Found out the first time. Runs no Python code, collects no
  // garbage, and leaves no exception set.
  static const StackDepths* of(PyCodeObject* code);

  // For the instruction at that code unit.
  Place at(int unit) const { return unit >= 0 && unit < count_ ? places()[unit] : Place{}; }

 private:
  explicit StackDepths(int count) : count_(count) {}
  static StackDepths* make(PyCodeObject* code, const unsigned char* text, int count);
  static bool find_depths(PyCodeObject* code, const unsigned char* text, int count, Place* places);
  static void free(void* depths);
  Place* places() { return reinterpret_cast<Place*>(this + 1); }
  const Place* places() const { return reinterpret_cast<const Place*>(this + 1); }

  const int count_;
};

}  // namespace switchback::interpreter
#endif
