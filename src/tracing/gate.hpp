// Whether any tool follows calls and returns: what is asked at each switch of stacks.
#pragma once

#include "interpreter/monitoring.hpp"

namespace switchback::tracing {

// Whether to look closer. Mostly a load and a branch.
#if SWITCHBACK_KNOWS_FRAMES
inline bool may_be_followed() { return interpreter::may_be_followed(); }
#else
inline constexpr bool may_be_followed() { return false; }
#endif

}  // namespace switchback::tracing
