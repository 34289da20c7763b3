"""The suites of the benchmark, in the order in which they are run."""

SUITES = (
    "latency",
    "core",
    "instructions",
    "beside_greenlet",
    "depth",
    "rotation",
    "programs",
    "alternatives",
    "server",
    "imports",
    "pool",
    "portals",
)
