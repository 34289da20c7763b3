// Finding the blocks of loaded modules, and keys; and reading and writing their words.
#include "foreign/candidates.hpp"

#include <algorithm>

namespace switchback::foreign {

struct Candidates::Look {
  Candidates* candidates;
  bool amid_step;
  std::uint32_t next = 0;  // the modules come in the order of the last time, mostly
};

Candidates::~Candidates() {
  for (LoadedModule& module : modules_) {
    std::free(module.name);
    std::free(module.noted);
  }
}

bool Candidates::outdated() {
  if (used_generation() != generation_) return true;
  for (const std::uint32_t index : watched_) {
    const LoadedModule& module = modules_[index];
    if (module.words == nullptr && block_slot(module.tls_id) != module.slot) return true;
  }
  return false;
}

// The next key to be made is either one of those looked at, or this.
bool Candidates::has_new_keys() {
  const unsigned next = keys_.size();
  return watches_keys_ && next < most_keys && (key_value(next) != nullptr || key_exists(next));
}

void Candidates::look(bool amid_step) {
  if (!slots_are_right_) return;
  if (list_modules(nullptr, nullptr) == loaded_ && !outdated()) {
    if (has_new_keys()) find_keys(amid_step);
    return;
  }
  for (LoadedModule& module : modules_) module.loaded = false;
  Look look = {this, amid_step};
  loaded_ = list_modules(
      [](const Module& module, void* argument) {
        auto& look_now = *static_cast<Look*>(argument);
        look_now.candidates->see(module, look_now);
      },
      &look);
  list_pieces(amid_step);
  if (watches_keys_) find_keys(amid_step);
  any_ = slots_are_right_ && (watches_keys_ || !watched_.empty());
  // Last: to have been given a block may have changed it.
  generation_ = used_generation();
}

// The index of a module that is loaded; that of no module if there is no memory for another.
std::uint32_t Candidates::index_of(const Module& module, std::uint32_t expected) {
  const std::uint32_t count = modules_.size();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t index = expected + i < count ? expected + i : expected + i - count;
    const LoadedModule& known = modules_[index];
    if (known.address == module.address && known.headers == module.headers &&
        known.tls_id == module.tls_id && std::strcmp(known.name, module.name) == 0) {
      return index;
    }
  }
  LoadedModule added = {};
  added.address = module.address;
  added.headers = module.headers;
  added.tls_id = module.tls_id;
  if (!is_left_alone(module)) {
    added.makes_keys = makes_keys(module);
    // Thread-locals that are aligned to less have no pointer among them.
    if (module.alignment >= sizeof(Word)) {
      added.count =
          static_cast<std::uint32_t>(std::min<std::size_t>(module.size / sizeof(Word), UINT32_MAX));
    }
    added.turn = end_words;
    added.is_fixed = added.count != 0 && has_fixed_block(module);
  }
  added.name = strdup(module.name);
  if (added.name != nullptr && modules_.add(added)) return count;
  std::free(added.name);
  return ~std::uint32_t(0);
}

void Candidates::see(const Module& seen, Look& look) {
  const std::uint32_t index = index_of(seen, look.next);
  if (index >= modules_.size()) return;
  look.next = index + 1;
  LoadedModule& module = modules_[index];
  module.loaded = true;
  module.image = seen.image;
  module.image_size = seen.image_size;
  watches_keys_ |= module.makes_keys;
  if (seen.data != nullptr &&
      block_slot(seen.tls_id) != reinterpret_cast<std::uintptr_t>(seen.data))
    slots_are_right_ = false;
  if (module.count == 0 || module.is_fixed) return;
  set_block(module, seen.data, look.amid_step);
}

void Candidates::set_block(LoadedModule& module, void* data, bool amid_step) {
  auto* const words = static_cast<Word*>(data);
  if (words == module.words) return;
  drop_block(module);
  if (words == nullptr) return;
  const bool is_large = module.count > most_words;
  const std::uint32_t count = is_large ? 2 * end_words : module.count;
  module.noted = static_cast<Word*>(std::malloc(count * sizeof(Word)));
  if (module.noted == nullptr) return;
  module.words = words;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t offset = is_large && i >= end_words ? module.count - count + i : i;
    module.noted[i] = amid_step ? first_value(module, offset) : words[offset];
  }
}

void Candidates::drop_block(LoadedModule& module) {
  std::free(module.noted);
  module.noted = nullptr;
  module.words = nullptr;
}

void Candidates::list_pieces(bool amid_step) {
  watched_.clear();
  large_.clear();
  pieces_.clear();
  // First of all: to ask for one brings the thread's books up to date, where blocks of modules that
  // were unloaded make room for others.
  for (LoadedModule& module : modules_) {
    if (module.loaded && module.is_fixed) set_block(module, fixed_block(module.name), amid_step);
  }
  for (std::uint32_t index = 0; index < modules_.size(); ++index) {
    LoadedModule& module = modules_[index];
    if (module.count == 0) continue;
    if (!module.loaded || !slots_are_right_) {
      drop_block(module);
      continue;
    }
    module.slot = block_slot(module.tls_id);
    watched_.add(index);
    if (module.words == nullptr) continue;
    if (module.count <= most_words) {
      pieces_.add({module.words, module.noted, module.count, index, 0});
      continue;
    }
    const std::uint32_t last = module.count - end_words;
    pieces_.add({module.words, module.noted, end_words, index, 0});
    pieces_.add({module.words + last, module.noted + end_words, end_words, index, last});
    large_.add(index);
  }
}

// The system makes the least key that is not in use, so the last that is has few gaps before it.
void Candidates::find_keys(bool amid_step) {
  constexpr unsigned widest_gap = 64;
  unsigned end = keys_.size();
  for (unsigned key = end; key < most_keys && key < end + widest_gap; ++key) {
    if (key_value(key) != nullptr || key_exists(key)) end = key + 1;
  }
  for (unsigned key = keys_.size(); key < end; ++key) {
    if (!keys_.add(amid_step ? 0 : reinterpret_cast<Word>(key_value(key)))) return;
  }
}

Word Candidates::first_value(const LoadedModule& module, std::uint32_t offset) {
  Word value = 0;
  const std::size_t at = offset * sizeof(Word);
  if (at < module.image_size) {
    std::memcpy(&value, module.image + at, std::min(sizeof(Word), module.image_size - at));
  }
  return value;
}

Word Candidates::value(const Place& place) {
  if (place.module == Place::key) return reinterpret_cast<Word>(key_value(place.offset));
  const Word* const words = modules_[place.module].words;
  return words == nullptr ? 0 : words[place.offset];
}

void Candidates::set_value(const Place& place, Word value) {
  if (place.module == Place::key) {
    set_key_value(place.offset, reinterpret_cast<void*>(value));
    return;
  }
  Word* const words = modules_[place.module].words;
  if (words != nullptr) words[place.offset] = value;
}

}  // namespace switchback::foreign
