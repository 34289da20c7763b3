// Whether a dict has changed: by a number that CPython up to 3.13 gives it anew with each change.
#pragma once

#include <cstdint>

#include "interpreter/python.hpp"

namespace switchback::interpreter {

#if PY_VERSION_HEX < 0x030E0000 && !defined(SWITCHBACK_UNKNOWN_MINOR)
inline constexpr bool dicts_have_versions = true;

// Never 0. No two dicts ever have the same, nor a dict twice (DICT_NEXT_VERSION() in the
// interpreter's pycore_dict.h; PEP 509).
inline std::uint64_t version_of(PyObject* dict) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return reinterpret_cast<PyDictObject*>(dict)->ma_version_tag;
#pragma GCC diagnostic pop
}

// Likewise of the dict of a thread state; 0 if there is none yet.
inline std::uint64_t version_of_dict(const PyThreadState* thread_state) {
  return thread_state->dict == nullptr ? 0 : version_of(thread_state->dict);
}

// dict[key] for a key whose hash is known, borrowed; nullptr, perhaps with an exception set, if
// there is none.
inline PyObject* item_by_hash(PyObject* dict, PyObject* key, Py_hash_t hash) {
  return _PyDict_GetItem_KnownHash(dict, key, hash);
}
#else
inline constexpr bool dicts_have_versions = false;

inline std::uint64_t version_of(PyObject*) { return 0; }
inline std::uint64_t version_of_dict(const PyThreadState*) { return 0; }
inline PyObject* item_by_hash(PyObject* dict, PyObject* key, Py_hash_t) {
  return PyDict_GetItemWithError(dict, key);
}
#endif

}  // namespace switchback::interpreter
