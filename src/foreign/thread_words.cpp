// Learning which words point into stacks, and exchanging their values at a switch.
#include "foreign/thread_words.hpp"

namespace switchback::foreign {

constinit thread_local ThreadWords* ThreadWords::this_thread_ = nullptr;

ThreadWords::ThreadWords() {
  this_thread_ = this;
  if (!sees_thread_locals) become_quiet();
}

// One that other threads still refer to outlives its thread, and is no longer noted here then.
ThreadWords::~ThreadWords() {
  if (this_thread_ == this) this_thread_ = nullptr;
}

void ThreadWords::look_again() {
  ThreadWords* const self = this_thread_;
  if (self == nullptr || !sees_thread_locals) return;
  self->looks_ = true;
  self->watches_ = true;
  self->quiet_generation_ = never_quiet;
}

void ThreadWords::become_quiet() {
  watches_ = false;
  quiet_generation_ = used_generation();
}

void ThreadWords::refresh(bool amid_step) {
  if (looks_ || candidates_.outdated() || (amid_step && candidates_.has_new_keys())) {
    candidates_.look(amid_step);
  }
  looks_ = false;
  // What is noted of entries is taken back as these are left.
  if (!candidates_.any() && entries_.empty()) {
    become_quiet();
    return;
  }
  watches_ = true;
  quiet_generation_ = never_quiet;
}

bool ThreadWords::knows(const Place& place) {
  for (const Learned& word : learned_) {
    if (word.place == place) return true;
  }
  return false;
}

// What is there belongs to whoever resumes. Where that is a stack that is going to be left in turn,
// a word that points into it, or might, is learned before that.
void ThreadWords::note_values(Word resumer, bool nested) {
  constexpr Word most_above = 64 << 20;
  candidates_.for_each_changed([&](const Place& place, Word value, Word& noted) {
    if (nested && value - resumer < most_above && !knows(place)) learned_.add({place, noted});
    noted = value;
  });
}

void ThreadWords::enter(PutAside& aside, bool nested) {
  // The outer stack may have been entered when there was nothing to watch.
  refresh(nested);
  if (!watches_) return;
  // An event loop resumes from one place of its stack. From there, words that have not been learned
  // are as they were.
  const auto resumer = reinterpret_cast<Word>(__builtin_frame_address(0));
  if (!aside.is_suspended_ || nested || resumer != last_resumer_) {
    last_resumer_ = resumer;
    note_values(resumer, nested);
  }
  if (entries_.add({&aside, bases_.size(), 0})) {
    for (const Learned& word : learned_) {
      if (!bases_.add(candidates_.value(word.place))) break;
      ++entries_.last().count;
    }
  }
  for (const PutAside::Item& item : aside.items_) {
    candidates_.set_value(learned_[item.index].place, item.value);
  }
}

// Mostly the last one; greenlets of the program may have others entered in between.
ThreadWords::Entry ThreadWords::end_entry(const PutAside& aside) {
  for (std::uint32_t i = entries_.size(); i-- != 0;) {
    if (entries_[i].of != &aside) continue;
    const Entry entry = entries_[i];
    entries_[i].of = nullptr;
    return entry;
  }
  return {nullptr, 0, 0};  // there was nothing to watch yet
}

void ThreadWords::forget_ended_entries() {
  while (!entries_.empty() && entries_.last().of == nullptr) {
    bases_.shorten(entries_.last().first);
    entries_.shorten(entries_.size() - 1);
  }
}

void ThreadWords::leave(PutAside& aside, Bounds bounds, bool ends) {
  refresh(true);
  const Entry entry = end_entry(aside);
  // The words are gone through in the order in which they were learned, as the items are.
  left_.clear();
  const auto put_aside = [&](std::uint32_t index, Word value, Word base, Word outer) {
    // Out of memory: left where it is, as if this were not known.
    if (!ends && !left_.add({index, value, outer})) return;
    candidates_.set_value(learned_[index].place, base);
  };
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < learned_.size(); ++i) {
    while (next < aside.items_.size() && aside.items_[next].index < i) ++next;
    const bool was_aside = next < aside.items_.size() && aside.items_[next].index == i;
    const Word value = candidates_.value(learned_[i].place);
    const Word base = i < entry.count ? bases_[entry.first + i] : learned_[i].base;
    const Word outer = was_aside ? aside.items_[next].outer : base;
    if (bounds.contain(value)) {
      put_aside(i, value, base, outer);
    } else if (was_aside && value == outer) {
      // The library is done here, and has put back what it had found.
      candidates_.set_value(learned_[i].place, base);
    }
  }
  forget_ended_entries();
  const auto learn = [&](const Place& place, Word value, Word base) {
    if (learned_.add({place, base})) put_aside(learned_.size() - 1, value, base, base);
  };
  candidates_.for_each_changed([&](const Place& place, Word value, Word& noted) {
    if (bounds.contain(value) && !knows(place)) {
      learn(place, value, noted);
    } else {
      noted = value;
    }
  });
  candidates_.for_each_in_turn([&](const Place& place, Word value, Word first) {
    if (bounds.contain(value) && !knows(place)) learn(place, value, first);
  });
  aside.take(left_, ends);
  if (!candidates_.any() && entries_.empty()) become_quiet();
}

// What there is no memory for is forgotten: the stack goes on as if it had not been put aside.
void PutAside::take(Array<Item>& items, bool ends) {
  is_suspended_ = !ends;
  items_.clear();
  for (const Item& item : items) {
    if (!items_.add(item)) return;
  }
}

}  // namespace switchback::foreign
