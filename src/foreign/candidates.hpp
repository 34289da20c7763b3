// The words of other libraries' thread-locals that may point into a stack, and the value that each
// had when it was looked at last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "foreign/array.hpp"
#include "foreign/os/system.hpp"

namespace switchback::foreign {

// What a word holds: a pointer, mostly.
using Word = std::uintptr_t;

// Where a word is.
struct Place {
  static constexpr std::uint32_t key = ~std::uint32_t(0);

  std::uint32_t module;  // its index among the candidates; or `key`
  std::uint32_t offset;  // of the word in the module's block, in words; or which key
  bool operator==(const Place&) const = default;
};

// Those of one thread: keys, and the blocks that the thread has of loaded modules. Blocks of the
// system and the interpreter are none of them.
class Candidates {
 public:
  Candidates() = default;
  Candidates(const Candidates&) = delete;
  Candidates& operator=(const Candidates&) = delete;
  ~Candidates();

  bool any() const { return any_; }

  // Looks at the modules that are loaded, if there are others than before. `amid_step`: what is new
  // has come since the stack was entered, so that its values are noted as if it had not been used.
  void look(bool amid_step);

  // Whether look() has to be called before anything below is: modules may have come and gone.
  bool outdated();
  bool has_new_keys();

  // A word whose module is gone is nowhere: it reads as nullptr, and is not written.
  Word value(const Place& place);
  void set_value(const Place& place, Word value);

  // Calls found(place, value, noted) for each word whose value is another than the one noted. It
  // may note another.
  template <typename Found>
  void for_each_changed(Found found) {
    for (Piece& piece : pieces_) {
      if (std::memcmp(piece.words, piece.noted, piece.count * sizeof(Word)) == 0) continue;
      for (std::uint32_t i = 0; i < piece.count; ++i) {
        if (piece.words[i] == piece.noted[i]) continue;
        found(Place{piece.module, piece.offset + i}, piece.words[i], piece.noted[i]);
      }
    }
    for (unsigned key = 0; key < keys_.size(); ++key) {
      const auto now = reinterpret_cast<Word>(key_value(key));
      if (now != keys_[key]) found(Place{Place::key, key}, now, keys_[key]);
    }
  }

  // Calls found(place, value, first value) for words of blocks that are too large to be looked at
  // as a whole each time: some of them in turns.
  template <typename Found>
  void for_each_in_turn(Found found) {
    for (std::uint32_t index : large_) {
      LoadedModule& module = modules_[index];
      const std::uint32_t end = module.count - end_words;
      for (unsigned i = 0; i < words_a_turn; ++i) {
        const std::uint32_t offset = module.turn;
        module.turn = offset + 1 < end ? offset + 1 : end_words;
        found(Place{index, offset}, module.words[offset], first_value(module, offset));
      }
    }
  }

 private:
  // A block that is larger has its two ends looked at each time, and the rest in turns.
  static constexpr std::uint32_t most_words = 512, end_words = 128, words_a_turn = 32;

  struct LoadedModule {
    std::uintptr_t address;
    const void* headers;
    std::size_t tls_id;
    const std::byte* image;
    std::size_t image_size;
    std::uint32_t count;  // words; 0 where it has none that matter
    bool loaded;
    bool makes_keys;
    bool is_fixed;
    char* name;           // owned
    Word* words;          // nullptr: the thread does not use it
    Word* noted;          // owned; of all words, or of both ends
    std::uintptr_t slot;  // what stood for the block while there was none
    std::uint32_t turn;
  };
  // Words that are looked at each time.
  struct Piece {
    Word* words;
    Word* noted;
    std::uint32_t count;
    std::uint32_t module, offset;
  };
  struct Look;

  std::uint32_t index_of(const Module& module, std::uint32_t expected);
  void see(const Module& module, Look& look);
  void set_block(LoadedModule& module, void* data, bool amid_step);
  void drop_block(LoadedModule& module);
  void list_pieces(bool amid_step);
  void find_keys(bool amid_step);
  static Word first_value(const LoadedModule& module, std::uint32_t offset);

  bool any_ = false;
  bool watches_keys_ = false;
  bool slots_are_right_ = true;  // whether the system's books are where we look for them
  std::uintptr_t generation_ = 0;
  LoadedSet loaded_;
  Array<LoadedModule> modules_;
  Array<std::uint32_t> watched_;  // those with words that matter
  Array<std::uint32_t> large_;
  Array<Piece> pieces_;
  Array<Word> keys_;  // the value noted of each
};

}  // namespace switchback::foreign
