// Systems on which other libraries' thread-locals are not looked at: macOS, Windows, musl.
#include "foreign/os/system.hpp"

#if !SWITCHBACK_SEES_THREAD_LOCALS

namespace switchback::foreign {

const unsigned most_keys = 0;

LoadedSet list_modules(void (*)(const Module&, void*), void*) { return {}; }
bool is_left_alone(const Module&) { return true; }
bool makes_keys(const Module&) { return false; }
bool has_fixed_block(const Module&) { return false; }
std::byte* fixed_block(const char*) { return nullptr; }
void for_each_caller(void (*)(const char*, void*), void*) {}
bool key_exists(unsigned) { return false; }
void* key_value(unsigned) { return nullptr; }
void set_key_value(unsigned, void*) {}

}  // namespace switchback::foreign

#endif
