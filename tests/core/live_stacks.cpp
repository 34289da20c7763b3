// Fails every test that leaves a stack mapped.
#include "live_stacks.hpp"

#include <gtest/gtest.h>

namespace switchback::core {
namespace {

class LiveStacksListener : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& test) override {
    EXPECT_EQ(live_stacks.exchange(0), 0)
        << test.test_suite_name() << "." << test.name() << " left stacks mapped";
  }
};

[[maybe_unused]] const bool registered = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new LiveStacksListener);
  return true;
}();

}  // namespace
}  // namespace switchback::core

// The tests of guards expect the signal itself.
#ifdef SWITCHBACK_ASAN
extern "C" [[gnu::visibility("default")]] const char* __asan_default_options() {
  return "handle_segv=0:handle_sigbus=0";
}
#endif
#ifdef SWITCHBACK_TSAN
extern "C" [[gnu::visibility("default")]] const char* __tsan_default_options() {
  return "handle_segv=0:handle_sigbus=0:halt_on_error=1";
}
#endif
