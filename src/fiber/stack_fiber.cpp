// Making, running and suspending fibers on stacks of their own.
#include "fiber/stack_fiber.hpp"

#include <algorithm>
#include <new>

#include "core/os/system.hpp"
#include "core/stack_allocator.hpp"
#include "core/stack_parts.hpp"
#include "fiber/thread.hpp"

namespace switchback::fiber {
namespace {

using core::StackParts;
using interpreter::default_stack_size;

// How much of the page that the fiber lies in is left for the C stack: an await_() called by a
// sync function called by the task's coroutine fits in.
constexpr std::size_t shared_page_c_stack = 2560;

static_assert(StackParts::rounded(default_stack_size) == default_stack_size);
static_assert(shared_page_c_stack % alignof(StackFiber) == 0 && shared_page_c_stack % 16 == 0);

// Where the data stack begins and the C stack ends. The fiber lies a little above.
std::byte* middle_of(const core::Stack& stack) {
  return stack.top() - StackParts(stack.size).upper;
}

// How much of each part an idle stack keeps. In whole pages: where these are larger than what would
// do, all of a part stays.
std::size_t kept_of(const core::Stack& stack) {
  return std::max(StackParts(stack.size).kept, core::page_size());
}

// Never destroyed: daemon threads may outlive all static objects.
union Stacks {
  core::StackAllocator allocator{default_stack_size, StackParts(default_stack_size).upper};
  constexpr Stacks() {}
  ~Stacks() {}
};
constinit Stacks stacks;

constinit ErrandWatch errand_watch = {};

void set_memory_error(core::StackFailure failure) {
  if (failure == core::StackFailure::no_memory) {
    PyErr_NoMemory();
    return;
  }
  PyErr_Format(PyExc_MemoryError,
               "%zu portals are suspended or kept for reuse, and the system has no more memory "
               "mappings for the stack of another: each needs two, and vm.max_map_count is %zu; "
               "raise it (sysctl vm.max_map_count), or use Linux 6.13 or later, which needs none",
               StackFiber::live(), core::most_mappings());
}

}  // namespace

StackFiber* StackFiber::create(const interpreter::StackSettings& settings) {
  core::StackFailure failure;
  const core::Stack stack = stacks.allocator.allocate(&failure);
  if (!stack) {
    set_memory_error(failure);
    return nullptr;
  }
  std::byte* place = middle_of(stack) + shared_page_c_stack;
  auto* fiber = ::new (place) StackFiber();
  fiber->stack = stack;
  fiber->kept_low_ = middle_of(stack) - kept_of(stack);
  fiber->MachineContext::prepare(stack.usable_low(), place, &StackFiber::main);
  std::byte* chunk = place + (sizeof(StackFiber) + 15) / 16 * 16;
  const interpreter::StackMemory memory = {stack.usable_low(),
                                           static_cast<std::size_t>(place - stack.usable_low()),
                                           chunk, static_cast<std::size_t>(stack.top() - chunk)};
  fiber->interpreter_.prepare(memory, settings);
  return fiber;
}

void StackFiber::destroy(StackFiber* fiber) {
  const core::Stack stack = fiber->stack;
  fiber->MachineContext::dismiss();
  fiber->~StackFiber();
  stacks.allocator.deallocate(stack);
}

std::size_t StackFiber::live() { return stacks.allocator.live(); }

std::size_t StackFiber::stack_size() { return stacks.allocator.stack_size(); }

bool StackFiber::set_stack_size(long long asked) {
  if (asked < static_cast<long long>(StackParts::smallest) ||
      asked > static_cast<long long>(StackParts::largest)) {
    PyErr_Format(PyExc_ValueError, "the size of a stack is from %zu to %zu bytes, not %lld",
                 StackParts::smallest, StackParts::largest, asked);
    return false;
  }
  const auto size = static_cast<std::size_t>(asked);
  if (!interpreter::measures_c_stack && size < default_stack_size) {
    PyErr_Format(PyExc_ValueError,
                 "stacks of less than %zu bytes need CPython 3.14 or later: this one does not "
                 "measure the C stack, and deep recursion would end in a segmentation fault",
                 default_stack_size);
    return false;
  }
  const std::size_t rounded = StackParts::rounded(size);
  if (rounded == stack_size() || stacks.allocator.resize(rounded, StackParts(rounded).upper)) {
    return true;
  }
  PyErr_Format(PyExc_RuntimeError,
               "the size of a stack cannot be changed any more: there is one already, of %zu "
               "bytes; set it before the first portal begins",
               stack_size());
  return false;
}

void StackFiber::prepare_for_fork() {
  [[maybe_unused]] static const bool once = [] {
    core::at_fork([] { stacks.allocator.lock(); }, [] { stacks.allocator.unlock(); });
    return true;
  }();
}

// A step that was suspended deep in C has been seen. For others: beyond what is kept lies, on each
// side, memory that only a step that went as deep has written to. Frames leave out some words, and
// that of a sort several kB in a row, so those looked at are spread over a page. Where nothing has
// been written, that is the page of zeros that all share, and in the cache. Should all words be
// left out, an idle stack holds some memory for longer.
SWITCHBACK_NO_ASAN bool StackFiber::went_deep() const {
  if (suspended_deep_) return true;
  constexpr std::size_t words = 8, apart = 61;
  const std::size_t kept = StackParts(stack.size).kept;
  const std::byte* const middle = middle_of(stack);
  const auto* below = reinterpret_cast<const std::uintptr_t*>(middle - kept) - 1;
  const auto* above = reinterpret_cast<const std::uintptr_t*>(middle + kept);
  std::uintptr_t written = 0;
  for (std::size_t i = 0; i < words; ++i) written |= *(below - i * apart) | above[i * apart];
  return written != 0;
}

void StackFiber::discard_depths() {
  suspended_deep_ = false;
  const StackParts parts(stack.size);
  const std::size_t kept = kept_of(stack);
  std::byte* const middle = middle_of(stack);
  core::discard_memory(stack.usable_low(), parts.lower - kept);
  if (parts.upper > kept) core::discard_memory(middle + kept, parts.upper - kept);
}

void StackFiber::main(core::MachineContext& context) {
  auto& self = static_cast<StackFiber&>(context);
  for (;;) {
    self.do_job();
    context.suspend();
  }
}

// On an errand, code of the stack goes on elsewhere.
bool StackFiber::can_be_visited() const {
#if SWITCHBACK_KNOWS_FRAMES
  return !is_on_errand() && !state_has_ended() && owner() != nullptr &&
         interpreter::can_show_frames();
#else
  return false;
#endif
}

int StackFiber::traverse([[maybe_unused]] PyObject* await, [[maybe_unused]] PyObject* target,
                         [[maybe_unused]] visitproc visit, [[maybe_unused]] void* arg) {
#if SWITCHBACK_KNOWS_FRAMES
  // The collector goes on to what is younger, whose page is in no cache either.
  constexpr std::uintptr_t beside = 128, size = sizeof(StackFiber) + 384;
  core::prefetch_memory(reinterpret_cast<const std::byte*>(next_listed() - beside), size);
  mark_running(target);
  Py_VISIT(target);
  Py_VISIT(argument());
  Py_VISIT(details().held);
  if (const int failed = interpreter_.traverse(visit, arg)) return failed;
  const interpreter::AwaitCall call = {await, {awaited(), details().given}};
  return interpreter::visit_frames(interpreter_.suspended_frame(), target, call, visit, arg);
#else
  return 0;
#endif
}

void StackFiber::mark_running([[maybe_unused]] PyObject* target) {
#if SWITCHBACK_KNOWS_FRAMES
  if (marks_ != 0) return;
  marked_[0] = target;
  marked_[1] = awaited();
  marks_ = interpreter::mark_generators(interpreter_.suspended_frame(), marked_);
#endif
}

[[gnu::noinline]] void StackFiber::unmark_running() {
#if SWITCHBACK_KNOWS_FRAMES
  const std::uint64_t marks = std::exchange(marks_, 0);
  interpreter::unmark_generators(interpreter_.suspended_frame(), marked_, marks);
#endif
}

bool StackFiber::run_on_stack(PyThreadState* thread_state, Thread& thread) {
  if (marks_ != 0) [[unlikely]]
    unmark_running();
  auto& context = interpreter_.part<interpreter::ContextVariables>();
  if (context.is_private()) context.rebase(thread_state);
  note_running();
  if (is_on_errand() && !go_on_errand(thread)) [[unlikely]]
    return false;
  StackFiber* const outer = thread.enter_native(this);
  for (;;) {
    interpreter::StackState::Resumer resumer;
    interpreter_.enter(thread_state, resumer);
    // Nearest to the jump, where no other value is needed in between. Neither touches the
    // interpreter.
    const foreign::ThreadWords& words = thread.foreign_words();
    const interpreter::ReprList& reprs = thread.reprs();
    if ((words.before_enter() | reprs.in_use()) != 0) [[unlikely]]
      put_back(thread, outer != nullptr);
    MachineContext::resume(thread.exception_globals());
    if ((words.after_leave() | reprs.in_use()) != 0) [[unlikely]]
      put_aside(thread);
    if (suspended_at() < kept_low_) suspended_deep_ = true;
    interpreter_.leave(thread_state, resumer);
    thread.leave_native(outer);
    if (!is_on_errand()) [[likely]]
      break;
    if (!go_on_errand(thread)) return false;
    if (context.is_private()) context.rebase(thread_state);
    thread.enter_native(this);
  }
  if (ended() && interpreter_.has_leftovers()) {
    RaisedScope raised;
    interpreter_.finish();
  }
  return ended();
}

// What this stack has of what others keep for the thread.
[[gnu::noinline]] void StackFiber::put_back(Thread& thread, bool nested) {
  foreign::ThreadWords& words = thread.foreign_words();
  if (words.before_enter() != 0) words.enter(foreign_, nested);
  if (thread.reprs().in_use() != 0) reprs_.enter(thread.reprs());
}

[[gnu::noinline]] void StackFiber::put_aside(Thread& thread) {
  foreign::ThreadWords& words = thread.foreign_words();
  if (words.after_leave() != 0) words.leave(foreign_, {stack.usable_low(), stack.top()}, ended());
  if (thread.reprs().in_use() != 0) reprs_.leave(thread.reprs(), ended());
}

PyObject* StackFiber::suspend_stack(PyObject* trap, PyObject* awaited, PyObject** exception) {
  before_suspend(trap, awaited);
  MachineContext::suspend();
  return after_suspend(exception);
}

void StackFiber::watch_errands(const ErrandWatch& watch) { errand_watch = watch; }

PyObject* StackFiber::run_errand(Call call, const Places& places, bool is_own) {
  const bool is_watched = errand_watch.before(*this);
  Errand errand{.call = call, .places = places, .is_own = is_own};
  errand_ = &errand;
  MachineContext::suspend();
  if (is_watched) errand_watch.after(*this);
  if (errand.raised != nullptr) interpreter::set_raised(errand.raised);
  return errand.result;
}

// On the stack of the resumer: runs the errand, or what has been left of it. Returns false where
// the step has been suspended meanwhile.
[[gnu::noinline]] bool StackFiber::go_on_errand(Thread& thread) {
  Errand& errand = *errand_;
  // The other library leaves this as it is, so it would find its way into other places.
  core::ExceptionGlobals exceptions;
  exceptions.assign(thread.exception_globals());
  thread.exception_globals().assign(core::ExceptionGlobals{});
  Ref result;
  if (!errand.is_own) {
    result = Ref::steal(thread.call_on_own_stack(errand.call, errand.places));
  } else if (Ref resumer = errand.places.current()) {
    errand.resumer = resumer.get();
    thread.add_away(this);
    result = Ref::steal(errand.waiting != nullptr
                            ? take_up_errand(thread)
                            : thread.call_on_own_stack(errand.call, errand.places));
    thread.remove_away(this);
    errand.resumer = nullptr;
  }
  thread.exception_globals().assign(exceptions);
  if (errand.waiting != nullptr) {
    if (errand.waiting->state == Waiting::State::waiting) {
      errand.waiting->delivered = true;
      if (!result) PyErr_Clear();
      return false;
    }
    // Where that could not be reached.
    if (errand.waiting->state == Waiting::State::resumed) {
      errand.waiting->state = Waiting::State::forgotten;
    }
    std::exchange(errand.waiting, nullptr)->release();
    RaisedScope raised;
    drop_message();
  }
  errand.result = result.release();
  errand.raised = errand.result == nullptr ? interpreter::take_raised() : nullptr;
  errand_ = nullptr;
  return true;
}

// Goes on where await_() has suspended the step. Returns what the errand returns, should it be
// done.
PyObject* StackFiber::take_up_errand(const Thread& thread) {
  Errand& errand = *errand_;
  Waiting& waiting = *errand.waiting;
  if (waiting.state == Waiting::State::waiting) {
    waiting.state = Waiting::State::resumed;
    // Not by what switches alone: on a stack of ours that would be an errand of the step there.
    struct Switch {
      const Places& places;
      const Ref place;
    } there = {errand.places, std::move(waiting.place)};
    const Call call = {[](void* argument) {
                         auto& [places, place] = *static_cast<Switch*>(argument);
                         return places.switch_to(place.get()).release();
                       },
                       &there};
    return thread.call_on_own_stack(call, errand.places);
  }
  // Something else has gone on from there. What is thrown in, as to cancel, must not be lost.
  if (PyObject* exception = take_message_exception()) {
    interpreter::set_raised(exception);
  } else {
    errand.places.refuse_switch("waits for a greenlet that waited in await_()");
  }
  return nullptr;
}

PyObject* StackFiber::suspend_on_errand(PyObject* trap, PyObject* awaited, PyObject** exception) {
  assert(errand_->waiting == nullptr || errand_->waiting->state != Waiting::State::waiting);
  const Places& places = errand_->places;
  Ref place = places.current();
  Waiting* const waiting = place ? Waiting::create(place.get()) : nullptr;
  if (waiting == nullptr) {
    if (place) PyErr_NoMemory();
    Py_DECREF(trap);
    *exception = interpreter::take_raised();
    return nullptr;
  }
  place = Ref();
  before_suspend(trap, awaited);
  if (errand_->waiting != nullptr) errand_->waiting->release();
  errand_->waiting = waiting;
  core::ExceptionGlobals& live = core::ExceptionGlobals::of_this_thread();
  core::ExceptionGlobals exceptions;
  exceptions.assign(live);
  Ref switched = places.switch_to(errand_->resumer);
  live.assign(exceptions);
  // From here on this fiber may be gone, unless the state tells otherwise.
  const Waiting::State state = waiting->state;
  PyObject* value = nullptr;
  if (state == Waiting::State::resumed) {
    waiting->state = Waiting::State::continued;
    value = after_suspend(exception);
  } else if (state == Waiting::State::waiting) {
    waiting->state = Waiting::State::forgotten;
    waiting->place = Ref();
    forget_awaited();
    RaisedScope raised;
    if (!waiting->delivered) undo_suspend();
  }
  waiting->release();
  if (state == Waiting::State::resumed && switched) return value;
  // Not switched to by the portal, or thrown into as well.
  if (switched) places.refuse_switch("waits in await_()");
  Py_XDECREF(value);
  if (state == Waiting::State::resumed) Py_CLEAR(*exception);
  *exception = interpreter::take_raised();
  return nullptr;
}

}  // namespace switchback::fiber
