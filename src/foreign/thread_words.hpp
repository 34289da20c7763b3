// Words of other libraries' thread-locals that point into a stack: put aside when it is left, put
// back when it is entered.
#pragma once

#include <cstddef>
#include <cstdint>

#include "foreign/array.hpp"
#include "foreign/candidates.hpp"
#include "foreign/os/system.hpp"

namespace switchback::foreign {

// What a suspended stack has had put aside. It belongs to the fiber, and goes with it.
class PutAside {
  // Used by its thread alone.
  friend class ThreadWords;
  struct Item {
    std::uint32_t index;  // of the word, among those that the thread has learned
    Word value;
    Word outer;  // what the library had found there
  };
  void take(Array<Item>& items, bool ends);

  Array<Item> items_;
  bool is_suspended_ = false;  // as far as it has been watched
};

// The part of the address space that a stack takes.
struct Bounds {
  const void* low;
  const void* top;
  bool contain(Word place) const {
    return place >= reinterpret_cast<Word>(low) && place < reinterpret_cast<Word>(top);
  }
};

// The words of one thread. A library that calls back keeps the call under way in a thread-local,
// where its data often lies on the C stack. What is to be right is known without knowing the
// library: a word that points into a stack belongs to that stack. Whoever resumes the stack finds
// the value again that was there when he did.
//
// The words are those of keys (pthread_key_create()), and those of the thread-locals of loaded
// modules. A word is learned when it is first found to point into a stack that is left. Others are
// compared with the values that they had when the stack was entered. Where no module has such
// words, a switch takes two comparisons.
//
// Used by its thread, under the GIL. Nothing here runs Python code, or switches.
class ThreadWords {
 public:
  ThreadWords();
  ~ThreadWords();
  ThreadWords(const ThreadWords&) = delete;
  ThreadWords& operator=(const ThreadWords&) = delete;

  // Has the calling thread look for modules at its next switch: some may have been loaded.
  static void look_again();

  // Not 0 where enter() has to be called before a stack is entered, and leave() after it has been
  // left. As numbers, so that the caller can test them together with others.
  std::intptr_t before_enter() const { return static_cast<std::intptr_t>(watches_); }
  std::intptr_t after_leave() const {
    return static_cast<std::intptr_t>(used_generation() ^ quiet_generation_);
  }

  // Between the two calls, the same may be done for other stacks, in pairs. `nested`: the caller
  // runs on a stack that is going to be left itself.
  void enter(PutAside& aside, bool nested);
  // `ends`: nothing is going to enter this stack where it was left.
  void leave(PutAside& aside, Bounds bounds, bool ends);

 private:
  // A word that has pointed into a stack.
  struct Learned {
    Place place;
    Word base;  // what an entry that began before the word was learned has found there
  };
  // What the learned words were when a stack was entered that has not been left since.
  struct Entry {
    const PutAside* of;
    std::uint32_t first, count;  // in bases_
  };
  void refresh(bool amid_step);
  void note_values(Word resumer, bool nested);
  Entry end_entry(const PutAside& aside);
  void forget_ended_entries();
  bool knows(const Place& place);
  void become_quiet();

  static constexpr std::uintptr_t never_quiet = ~std::uintptr_t(0);
  static constinit thread_local ThreadWords* this_thread_;

  std::uintptr_t quiet_generation_ = never_quiet;
  bool watches_ = true;
  bool looks_ = true;      // at the next switch
  Word last_resumer_ = 0;  // an address in its frame
  Candidates candidates_;
  Array<Learned> learned_;
  Array<Word> bases_;
  Array<Entry> entries_;
  Array<PutAside::Item> left_;  // while a stack is being left
};

}  // namespace switchback::foreign
