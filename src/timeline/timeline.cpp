// Noting which track runs and waits, and since when.
#include "timeline/timeline.hpp"

#include <cstdlib>
#include <cstring>

#include "interpreter/coroutines.hpp"

namespace switchback::timeline {
namespace {

// As it stands between quotes in JSON, in memory of its own; nullptr if there is none.
char* escaped(const char* text, Py_ssize_t size, std::uint32_t* length) {
  constexpr std::size_t longest = 6;  // as in \u001f
  constexpr Py_ssize_t most = 1000;
  if (size > most) {
    size = most;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  }
  auto* const start = static_cast<char*>(std::malloc(static_cast<std::size_t>(size) * longest + 1));
  if (start == nullptr) return nullptr;
  char* at = start;
  for (Py_ssize_t i = 0; i < size; ++i) {
    const auto letter = static_cast<unsigned char>(text[i]);
    if (letter < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      std::memcpy(at, "\\u00", 4);
      at[4] = digits[letter >> 4U];
      at[5] = digits[letter & 0xFU];
      at += longest;
      continue;
    }
    if (letter == '"' || letter == '\\') *at++ = '\\';
    *at++ = text[i];
  }
  *length = static_cast<std::uint32_t>(at - start);
  return start;
}

}  // namespace

Timeline::Timeline(Track first) : first_(first), indices_(Ref::steal(PyDict_New())) {
  Name await{};
  await.text = escaped("await", 5, &await.size);
  if (await.text != nullptr && !names_.add(await)) std::free(await.text);
  if (!indices_) PyErr_Clear();
}

Timeline::~Timeline() {
  for (const Name& name : names_) {
    std::free(name.text);
    Py_XDECREF(name.key);
  }
}

// What it is named by; nullptr for an `await`.
PyObject* Timeline::key_of(PyObject* awaited) {
  if (awaited == nullptr) return nullptr;
#ifndef SWITCHBACK_UNKNOWN_MINOR
  if (PyCoro_CheckExact(awaited)) {
    PyObject* const name = reinterpret_cast<PyCoroObject*>(awaited)->cr_qualname;
    if (PyUnicode_CheckExact(name)) return name;
  }
#endif
  return reinterpret_cast<PyObject*>(Py_TYPE(awaited));
}

// What stands for it in the dict. Types are told apart by their addresses: a metaclass may have
// code of its own that compares them.
Ref Timeline::place_of(PyObject* key) {
  return PyType_Check(key) ? Ref::steal(PyLong_FromVoidPtr(key)) : Ref::borrow(key);
}

// Zero where that fails.
std::uint32_t Timeline::add_name(PyObject* key) {
  const std::uint32_t index = names_.size();
  Ref number = Ref::steal(PyLong_FromUnsignedLong(index));
  Ref place = place_of(key);
  Name name{};
  name.key = key;
  if (PyType_Check(key)) {
    const char* const text = reinterpret_cast<PyTypeObject*>(key)->tp_name;
    name.text = escaped(text, static_cast<Py_ssize_t>(std::strlen(text)), &name.size);
  } else if (Ref text = Ref::steal(PyUnicode_AsEncodedString(key, "utf-8", "replace"))) {
    name.text = escaped(PyBytes_AS_STRING(text.get()), PyBytes_GET_SIZE(text.get()), &name.size);
  }
  if (number && place && name.text != nullptr && names_.add(name)) {
    if (PyDict_SetItem(indices_.get(), place.get(), number.get()) == 0) {
      Py_INCREF(key);
      return index;
    }
    names_.shorten(index);
  }
  std::free(name.text);
  PyErr_Clear();
  has_lost_ = true;
  return 0;
}

std::uint32_t Timeline::name_of(PyObject* key) {
  const Ref place = place_of(key);
  PyObject* const known = place ? PyDict_GetItemWithError(indices_.get(), place.get()) : nullptr;
  if (known != nullptr) return static_cast<std::uint32_t>(PyLong_AsUnsignedLong(known));
  PyErr_Clear();
  return add_name(key);
}

std::uint32_t Timeline::thread_of(const PyThreadState* thread_state) {
  for (std::uint32_t i = threads_.size(); i > 0; --i) {
    if (threads_[i - 1].id == thread_state->id) return i - 1;
  }
  if (!threads_.add({thread_state->id, PyThread_get_thread_native_id()})) has_lost_ = true;
  return threads_.size() - 1;
}

Track Timeline::add_line(std::uint32_t name, std::uint32_t thread) {
  Line line{};
  line.name = name;
  line.number = names_[name].lines + 1;
  line.thread = thread;
  line.is_running = true;
  if (!lines_.add(line)) {
    has_lost_ = true;
    return 0;
  }
  names_[name].lines += 1;
  lines_.last().since = core::ticks();
  return next() - 1;
}

Track Timeline::add(PyObject* name, const PyThreadState* thread_state) {
  const std::uint32_t index = name_of(name);
  const std::uint32_t thread = thread_of(thread_state);
  if (has_lost_) return 0;
  for (std::uint32_t* free = &names_[index].free; *free != 0; free = &lines_[*free - 1].next_free) {
    const std::uint32_t found = *free - 1;
    if (lines_[found].thread != thread) continue;
    *free = lines_[found].next_free;
    return run(first_ + found, thread_state);
  }
  return add_line(index, thread);
}

Track Timeline::move(Track track, const PyThreadState* thread_state) {
  const std::uint32_t name = lines_[track - first_].name;
  const std::uint32_t thread = thread_of(thread_state);
  end(track);
  return has_lost_ ? 0 : add_line(name, thread);
}

void Timeline::end(Track track) {
  Line& line = lines_[track - first_];
  const std::int64_t time = core::ticks();
  if (!line.is_running) line.since = time;  // it has waited till now
  note(line, time, ended);
  line.is_running = false;
  line.is_begun = false;
  Name& name = names_[line.name];
  line.next_free = name.free;
  name.free = track - first_ + 1;
}

}  // namespace switchback::timeline
