// What a stack's interpreter state is prepared with, by StackState::prepare().
#pragma once

#include <cstddef>

#include "interpreter/python.hpp"

namespace switchback::interpreter {

// What every stack is prepared with.
struct StackSettings {
  // Stands for the bottom of the stack's Python frames. Never freed: a leaked stack refers to it.
  PyCodeObject* base_code = nullptr;
  // How many C calls the interpreter may nest on the stack, where it counts them.
  int c_recursion_limit = 0;
};

// The memory of one stack; borrowed, and has to outlive it.
struct StackMemory {
  std::byte* c_stack_low;  // above the guard
  std::size_t c_stack_size;
  std::byte* chunk;  // for Python frames: the first chunk of the "data stack"
  std::size_t chunk_size;
};

}  // namespace switchback::interpreter
