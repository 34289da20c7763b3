// The interpreter's internal headers, for the layouts that are read or replaced.
#pragma once

#include "interpreter/python.hpp"

// The layouts of _PyInterpreterFrame, for the one frame that each stack starts with, of PyContext,
// for the context that it is in, and of coroutines.
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#define SWITCHBACK_UNDEF_BUILD_CORE
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <internal/pycore_context.h>
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe_structs.h>
#include <internal/pycore_stackref.h>
#endif
#pragma GCC diagnostic pop
#ifdef SWITCHBACK_UNDEF_BUILD_CORE
#undef Py_BUILD_CORE
#undef SWITCHBACK_UNDEF_BUILD_CORE
#endif
