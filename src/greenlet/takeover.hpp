// Taking over what switches greenlets, so that portals on stacks of ours and greenlets go together.
#pragma once

namespace switchback::greenlet {

// greenlet takes the thread for one contiguous stack, of which it copies parts away and back. So
// what switches greenlets has to run on the thread's own stack. Once greenlet is taken over, its
// functions go there by themselves when they are called on a stack of ours, and come back with the
// outcome: methods switch() and throw() of its type, the same in its C API, and what drops a
// greenlet, as that throws into it.
//
// All of it counts for the process, and lasts.
class Takeover {
 public:
  // For a greenlet that the program has just imported, of which nothing has made use: takes it
  // over. Where it has other parts than expected, it is left as it is, and obstacle() says why.
  // Without an exception. Under the GIL, after its module has been made.
  static void take();

  // The same for one that was imported a while ago. Where there has been a native stack by then, a
  // greenlet may have been started on it: too late.
  static void take_if_early();

  static bool done();
  // Why greenlet has not been taken over; nullptr if it has, or has not been looked at.
  static const char* obstacle();
};

}  // namespace switchback::greenlet
