// What the errands of a portal's step leave behind.
#pragma once

namespace switchback::portal {

// Once, at the start: has it noted.
void watch_errands();

}  // namespace switchback::portal
