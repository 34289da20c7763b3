// Which portal ran and waited when: what is noted at each step, and written as a trace.
#pragma once

#include <cstdint>

#include "core/ticks.hpp"
#include "foreign/array.hpp"
#include "interpreter/ref.hpp"

namespace switchback::timeline {

using foreign::Array;
using interpreter::Ref;

// A line of the picture, on which at most one portal is at a time. Zero is none.
using Track = std::uint32_t;

// Used under the GIL. What there is no memory for is left out, and take() says so.
class Timeline {
 public:
  // Its tracks are counted from `first` on, so that they differ from those of earlier ones. Where
  // there is no memory, it is not ready.
  explicit Timeline(Track first);
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;
  ~Timeline();
  bool is_ready() const { return static_cast<bool>(indices_) && !names_.empty(); }

  // The first track of the next timeline.
  Track next() const { return first_ + lines_.size(); }
  bool knows(Track track) const { return track - first_ < lines_.size(); }

  // A portal begins to run: returns a track that is free, named `name` (a str), or zero. Runs no
  // Python code, and leaves no exception set, as is true of all but take().
  Track add(PyObject* name, const PyThreadState* thread_state);

  // It runs again, on a track of this timeline. Returns its track, another one in another thread.
  Track run(Track track, const PyThreadState* thread_state) {
    Line& line = lines_[track - first_];
    if (threads_[line.thread].id != thread_state->id) [[unlikely]]
      return move(track, thread_state);
    line.since = core::ticks();
    line.is_running = true;
    return track;
  }
  // It waits: for `awaited` (borrowed), or in an `await` of its own, where that is nullptr.
  void wait(Track track, PyObject* awaited) {
    Line& line = lines_[track - first_];
    const std::int64_t time = core::ticks();
    PyObject* const key = key_of(awaited);
    if (key != names_[line.awaited].key) line.awaited = key == nullptr ? 0 : name_of(key);
    note(line, time, line.awaited);
    line.is_running = line.is_begun = false;
  }
  // It has ended, and the track is free.
  void end(Track track);

  // Whether take() is under way, in some thread.
  bool is_taken() const { return is_taken_; }
  // A tuple: what was noted since the last time, as JSON objects with a comma before each, in
  // bytes; and a list of the threads that are new among these, by the system's numbers. The last
  // time, what has not ended is written as if it ended now. Releases the GIL meanwhile. Returns
  // nullptr with an exception set where there is no memory.
  PyObject* take(bool is_last);

 private:
  struct Line {
    std::int64_t since;  // where it runs
    std::uint32_t name;
    std::uint32_t number;  // among those of its name
    std::uint32_t thread;
    std::uint32_t awaited;    // a name: the last
    std::uint32_t next_free;  // of its name, as an index and one; zero ends the list
    bool is_running;
    bool is_begun;  // whether it is noted that the step has begun
  };
  // A name with what has to be escaped in JSON.
  struct Name {
    PyObject* key;  // owned, while it is in names_; nullptr for the first
    char* text;
    std::uint32_t size;
    std::uint32_t lines;  // that have it
    std::uint32_t free;   // the first of those that are free, as an index and one
  };
  struct Thread {
    std::uint64_t id;
    unsigned long native;
  };
  // A step, in ticks, and what follows it.
  struct Record {
    std::int64_t begin;
    std::int64_t end;
    std::uint32_t line;
    std::uint32_t awaited;  // a name, or one of these
  };
  static constexpr std::uint32_t ended = UINT32_MAX, still_running = UINT32_MAX - 1;

  // What take() knows of a track, also without the GIL.
  struct WrittenLine {
    std::uint32_t name;
    std::uint32_t number;
    unsigned long thread;
    std::int64_t waits_since;  // zero if it does not
    std::uint32_t awaited;
    bool wait_is_begun;  // what has been written without its end
    bool step_is_begun;
  };

  PyObject* key_of(PyObject* awaited);
  static Ref place_of(PyObject* key);
  std::uint32_t thread_of(const PyThreadState* thread_state);
  std::uint32_t name_of(PyObject* key);
  std::uint32_t add_name(PyObject* key);
  Track add_line(std::uint32_t name, std::uint32_t thread);
  Track move(Track track, const PyThreadState* thread_state);
  void note(const Line& line, std::int64_t end, std::uint32_t awaited) {
    const auto index = static_cast<std::uint32_t>(&line - lines_.begin());
    if (!records_[filling_].add({line.since, end, index, awaited})) has_lost_ = true;
  }

  class Writer;
  bool prepare(std::int64_t now, bool is_last);
  std::size_t most_to_write();

  Track first_;
  core::TickRate rate_;
  std::int64_t taken_ = 0;  // when take() was called last
  bool is_taken_ = false;
  bool has_lost_ = false;  // some of it, where there was no memory
  unsigned filling_ = 0;   // which of these is added to
  Array<Record> records_[2];
  Array<Line> lines_;
  Array<Name> names_;  // the first is that of an `await`
  Array<Thread> threads_;
  Ref indices_;  // a dict: a str or the address of a type -> its index in names_
  Array<Name> written_names_;
  Array<WrittenLine> written_lines_;
  std::uint32_t written_threads_ = 0;
};

}  // namespace switchback::timeline
