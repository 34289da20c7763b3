// Thread-locals as glibc's dynamic linker lays them out, and its keys.
#include "foreign/os/system.hpp"

#if SWITCHBACK_SEES_THREAD_LOCALS

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <unwind.h>

#include <climits>
#include <cstring>
#include <string_view>

#include "interpreter/python.hpp"

namespace switchback::foreign {
namespace {

// Of the ABI for thread-locals.
struct TlsIndex {
  unsigned long module, offset;
};
extern "C" void* __tls_get_addr(TlsIndex*);  // NOLINT: the name is the linker's

using Header = ElfW(Phdr);

struct Visit {
  void (*visit)(const Module& module, void* argument);
  void* argument;
  LoadedSet loaded;
};

int visit_module(dl_phdr_info* info, std::size_t, void* argument) {
  auto& visit = *static_cast<Visit*>(argument);
  visit.loaded = {info->dlpi_adds, info->dlpi_subs};
  if (visit.visit == nullptr) return 1;
  Module module;
  module.address = info->dlpi_addr;
  module.headers = info->dlpi_phdr;
  module.header_count = info->dlpi_phnum;
  module.name = info->dlpi_name;
  for (const Header* part = info->dlpi_phdr; part != info->dlpi_phdr + info->dlpi_phnum; ++part) {
    if (part->p_type != PT_TLS || part->p_memsz == 0) continue;
    module.tls_id = info->dlpi_tls_modid;
    module.size = part->p_memsz;
    module.image = reinterpret_cast<const std::byte*>(info->dlpi_addr + part->p_vaddr);
    module.image_size = part->p_filesz;
    module.alignment = part->p_align;
    module.data = static_cast<std::byte*>(info->dlpi_tls_data);
  }
  visit.visit(module, visit.argument);
  return 0;
}

bool contains(const Module& module, const void* place) {
  const auto* const first = static_cast<const Header*>(module.headers);
  const auto address = reinterpret_cast<std::uintptr_t>(place) - module.address;
  for (const Header* part = first; part != first + module.header_count; ++part) {
    if (part->p_type == PT_LOAD && address - part->p_vaddr < part->p_memsz) return true;
  }
  return false;
}

// What a module says of itself for the dynamic linker.
struct DynamicSection {
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  std::size_t undefined_end = 0;  // no symbol from here on is of another module
  bool is_fixed = false;

  explicit DynamicSection(const Module& module) {
    const auto* const first = static_cast<const Header*>(module.headers);
    for (const Header* part = first; part != first + module.header_count; ++part) {
      if (part->p_type == PT_DYNAMIC) read(module.address, part->p_vaddr);
    }
  }

 private:
  void read(std::uintptr_t base, std::uintptr_t offset) {
    const std::uint32_t* gnu_hash = nullptr;
    const std::uint32_t* hash = nullptr;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(base + offset);
    for (; entry->d_tag != DT_NULL; ++entry) {
      // The linker has made addresses of these, but for modules whose section is read-only.
      const std::uintptr_t value = entry->d_un.d_val;
      const std::uintptr_t address = value < base ? base + value : value;
      switch (entry->d_tag) {
        case DT_SYMTAB:
          symbols = reinterpret_cast<const ElfW(Sym)*>(address);
          break;
        case DT_STRTAB:
          names = reinterpret_cast<const char*>(address);
          break;
        case DT_GNU_HASH:
          gnu_hash = reinterpret_cast<const std::uint32_t*>(address);
          break;
        case DT_HASH:
          hash = reinterpret_cast<const std::uint32_t*>(address);
          break;
        case DT_FLAGS:
          is_fixed = (value & DF_STATIC_TLS) != 0;
          break;
        default:
          break;
      }
    }
    if (symbols == nullptr || names == nullptr) return;
    // Either says how many symbols it leaves out, or how many there are.
    if (gnu_hash != nullptr) {
      undefined_end = gnu_hash[1];
    } else if (hash != nullptr) {
      undefined_end = hash[1];
    }
  }
};

// By the beginnings of their names. OpenSSL makes keys, and has each module of the standard library
// that uses it count as one that does.
constexpr std::string_view system_modules[] = {
    "ld-linux",   "libc.so",   "libm.so",   "libpthread.so", "librt.so",
    "libdl.so",   "libasan.",  "libubsan.", "libtsan.",      "liblsan.",
    "libstdc++.", "libgcc_s.", "libssl",    "libcrypto.",    "linux-vdso"};
// By a part of their path. A library that is linked in has functions for keys, which are not
// called.
constexpr std::string_view modules_without_keys[] = {"/uvloop/loop."};

bool is_of_the_system(const char* file) {
  std::string_view name = file;
  name = name.substr(name.rfind('/') + 1);
  for (std::string_view known : system_modules) {
    if (name.substr(0, known.size()) == known) return true;
  }
  return false;
}

const char in_the_engine = 0;

const void* base_of(const void* place) {
  Dl_info found;
  return dladdr(place, &found) != 0 ? found.dli_fbase : nullptr;
}

struct Walk {
  void (*visit)(const char* file, void* argument);
  void* argument;
  const void* engine = base_of(&in_the_engine);
  const void* interpreter = base_of(reinterpret_cast<const void*>(&PyThreadState_Get));
  bool has_left_engine = false;
};

_Unwind_Reason_Code visit_call(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  Dl_info found;
  // The call, and not what follows it, which may be another function.
  const auto place = reinterpret_cast<const void*>(_Unwind_GetIP(context) - 1);  // NOLINT
  if (dladdr(place, &found) == 0 || found.dli_fname == nullptr) return _URC_NO_REASON;
  if (found.dli_fbase == walk.engine) {
    return walk.has_left_engine ? _URC_END_OF_STACK : _URC_NO_REASON;
  }
  walk.has_left_engine = true;
  if (found.dli_fbase != walk.interpreter && !is_of_the_system(found.dli_fname)) {
    walk.visit(found.dli_fname, walk.argument);
  }
  return _URC_NO_REASON;
}

}  // namespace

void for_each_caller(void (*visit)(const char* file, void* argument), void* argument) {
  Walk walk = {.visit = visit, .argument = argument};
  _Unwind_Backtrace(visit_call, &walk);
}

const unsigned most_keys = PTHREAD_KEYS_MAX;

LoadedSet list_modules(void (*visit)(const Module& module, void* argument), void* argument) {
  Visit state = {visit, argument, {}};
  dl_iterate_phdr(visit_module, &state);
  return state.loaded;
}

bool is_left_alone(const Module& module) {
  return is_of_the_system(module.name) ||
         contains(module, reinterpret_cast<const void*>(&PyThreadState_Get)) ||
         contains(module, &PyType_Type) || contains(module, &in_the_engine);
}

bool makes_keys(const Module& module) {
  for (std::string_view known : modules_without_keys) {
    if (std::string_view(module.name).find(known) != std::string_view::npos) return false;
  }
  const DynamicSection section(module);
  for (std::size_t i = 0; i < section.undefined_end; ++i) {
    if (section.symbols[i].st_shndx != SHN_UNDEF) continue;
    const char* const name = section.names + section.symbols[i].st_name;
    // Most are told by their first letter.
    if (name[0] == 'p' && std::strcmp(name, "pthread_key_create") == 0) return true;
    if (name[0] == 't' && std::strcmp(name, "tss_create") == 0) return true;
    if (name[0] == 'P' && (std::strcmp(name, "PyThread_tss_create") == 0 ||
                           std::strcmp(name, "PyThread_create_key") == 0)) {
      return true;
    }
  }
  return false;
}

bool has_fixed_block(const Module& module) { return DynamicSection(module).is_fixed; }

// The handle keeps another thread from unloading the module meanwhile.
std::byte* fixed_block(const char* name) {
  void* const handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  std::size_t tls_id = 0;
  std::byte* block = nullptr;
  if (dlinfo(handle, RTLD_DI_TLS_MODID, &tls_id) == 0 && tls_id != 0) {
    TlsIndex place = {tls_id, 0};
    block = static_cast<std::byte*>(__tls_get_addr(&place));
  }
  dlclose(handle);
  return block;
}

// A key that is not in use cannot be set. One that is stays as it is, as it has this value.
bool key_exists(unsigned key) { return pthread_setspecific(key, nullptr) == 0; }
void* key_value(unsigned key) { return pthread_getspecific(key); }
void set_key_value(unsigned key, void* value) { pthread_setspecific(key, value); }

}  // namespace switchback::foreign

#endif
