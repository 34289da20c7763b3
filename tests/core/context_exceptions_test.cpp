// C++ exceptions and contexts: each context handles its own, whatever the others are handling.
#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "core/machine_context.hpp"
#include "live_stacks.hpp"

namespace switchback::core {
namespace {

// Rethrows the exception being handled and returns what it says.
std::string rethrown() {
  try {
    throw;
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

// Calls a function while it is destroyed.
template <typename Function>
class AtUnwind {
 public:
  explicit AtUnwind(Function function) : function_(function) {}
  AtUnwind(const AtUnwind&) = delete;
  AtUnwind& operator=(const AtUnwind&) = delete;
  ~AtUnwind() { function_(); }

 private:
  Function function_;
};

TEST(AnException, is_caught_in_the_context_that_throws_it) {
  std::string caught;
  TestContext context([&](TestContext&) {
    try {
      throw std::runtime_error("inside");
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
  });
  context.resume();
  EXPECT_EQ(caught, "inside");
}

TEST(AnException, unwinds_the_frames_of_its_context) {
  int unwound = 0;
  TestContext context([&](TestContext& self) {
    try {
      const AtUnwind outer([&] { ++unwound; });
      self.suspend();
      const AtUnwind inner([&] { ++unwound; });
      throw std::runtime_error("inside");
    } catch (const std::runtime_error&) {
      ++unwound;
    }
  });
  context.resume();
  EXPECT_EQ(unwound, 0);
  context.resume();
  EXPECT_EQ(unwound, 3);
}

TEST(AnException, rethrown_after_a_switch_is_the_one_of_its_own_context) {
  std::string first, second;
  const auto handle = [](TestContext& self, const char* text, std::string& seen) {
    try {
      throw std::runtime_error(text);
    } catch (const std::runtime_error&) {
      self.suspend();
      seen = rethrown();
      self.suspend();
      seen += "," + rethrown();
    }
  };
  TestContext one([&](TestContext& self) { handle(self, "one", first); });
  TestContext two([&](TestContext& self) { handle(self, "two", second); });
  // They leave their catch blocks in the order in which they entered, not the reverse.
  while (!two.ended()) {
    one.resume();
    two.resume();
  }
  EXPECT_EQ(first, "one,one");
  EXPECT_EQ(second, "two,two");
}

TEST(AnException, handled_by_the_resumer_is_not_visible_in_the_context) {
  bool visible = true;
  TestContext context([&](TestContext&) { visible = std::current_exception() != nullptr; });
  try {
    throw std::runtime_error("outside");
  } catch (const std::runtime_error&) {
    context.resume();
    EXPECT_EQ(rethrown(), "outside");
  }
  EXPECT_FALSE(visible);
}

TEST(AnException, handled_by_a_suspended_context_is_not_visible_outside) {
  TestContext context([&](TestContext& self) {
    try {
      throw std::runtime_error("inside");
    } catch (const std::runtime_error&) {
      self.suspend();
    }
  });
  context.resume();
  EXPECT_EQ(std::current_exception(), nullptr);
  context.resume();
  EXPECT_EQ(std::current_exception(), nullptr);
}

TEST(AnException, that_a_context_has_handled_is_gone_when_that_goes_on) {
  bool visible = true;
  TestContext context([&](TestContext& self) {
    try {
      throw std::runtime_error("inside");
    } catch (const std::runtime_error&) {
      self.suspend();
    }
    self.suspend();
    visible = std::current_exception() != nullptr;
  });
  while (context.resume()) {
    EXPECT_EQ(std::current_exception(), nullptr);
  }
  EXPECT_FALSE(visible);
}

TEST(AnException, can_be_handed_to_the_resumer_as_a_pointer) {
  std::exception_ptr exception;
  TestContext context([&](TestContext&) {
    try {
      throw std::runtime_error("inside");
    } catch (const std::runtime_error&) {
      exception = std::current_exception();
    }
  });
  context.resume();
  EXPECT_THROW(std::rethrow_exception(exception), std::runtime_error);
}

TEST(TheNumberOfExceptionsInFlight, is_that_of_the_running_context) {
  int in_context = -1, after_resume = -1;
  TestContext context([&](TestContext&) { in_context = std::uncaught_exceptions(); });
  try {
    const AtUnwind resume_while_unwinding([&] {
      context.resume();
      after_resume = std::uncaught_exceptions();
    });
    throw std::runtime_error("outside");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  }
  EXPECT_EQ(in_context, 0);
  EXPECT_EQ(after_resume, 1);
  EXPECT_EQ(std::uncaught_exceptions(), 0);
}

TEST(TheNumberOfExceptionsInFlight, stays_with_a_context_that_suspends_while_it_unwinds) {
  int before = -1, after = -1;
  TestContext context([&](TestContext& self) {
    try {
      const AtUnwind suspend_while_unwinding([&] {
        before = std::uncaught_exceptions();
        self.suspend();
        after = std::uncaught_exceptions();
      });
      throw std::runtime_error("inside");
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "inside");
    }
  });
  context.resume();
  EXPECT_EQ(std::uncaught_exceptions(), 0);
  try {
    throw std::runtime_error("outside");
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "outside");
  }
  context.resume();
  EXPECT_EQ(before, 1);
  EXPECT_EQ(after, 1);
  EXPECT_TRUE(context.ended());
}

TEST(AnException, passes_through_contexts_that_hand_it_on) {
  std::string seen;
  std::exception_ptr handed_on;
  TestContext inner([&](TestContext&) {
    try {
      throw std::runtime_error("innermost");
    } catch (const std::runtime_error&) {
      handed_on = std::current_exception();
    }
  });
  TestContext outer([&](TestContext&) {
    try {
      inner.resume();
      std::rethrow_exception(handed_on);
    } catch (const std::runtime_error&) {
      seen = rethrown();
    }
  });
  outer.resume();
  EXPECT_EQ(seen, "innermost");
}

}  // namespace
}  // namespace switchback::core
