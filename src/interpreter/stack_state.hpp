// What PyThreadState holds on behalf of one C stack, exchanged at every switch of stacks.
//
// The contract of StackState, one implementation a minor:
//
//   prepare(chunk, chunk_size, stack_size, base_code)
//                            once per stack: the state of a stack on which nothing runs yet.
//                            `chunk` and `base_code` are borrowed and must outlive the stack.
//   enter(thread, resumer)   just before the jump to the stack: saves the thread state's values
//                            in `resumer` and loads this stack's.
//   leave(thread, resumer)   just after the jump back: the reverse.
//   has_leftovers(), finish()
//                            after the work on the stack has ended and leave() was called.
//
// enter() and leave() are called on the resumer's stack, with no exception set. They neither
// allocate nor run Python code, as the thread state is inconsistent in between.
//
// Each stack begins with one incomplete Python frame, which the interpreter skips when it shows
// frames. Linking that frame to the resumer's is what continues sys._getframe() and f_back past a
// portal, without walking or rewriting the frames in between.
//
// Not exchanged, on purpose: `tracing` and the trace functions, the async-generator hooks, the
// pending asynchronous exception and the dict belong to the thread; the raised exception must be
// NULL at a switch, or travels with it; the lists of the trashcan are shared.
#pragma once

#include "interpreter/python.hpp"

#if PY_VERSION_HEX >= 0x030D0000
#include "interpreter/cpython_3_13.hpp"
#elif PY_VERSION_HEX >= 0x030C0000
#include "interpreter/cpython_3_12.hpp"
#else
#include "interpreter/cpython_3_11.hpp"
#endif
