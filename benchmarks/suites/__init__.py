"""The suites of the benchmark, in the order in which they are run."""

SUITES = (
    "latency",
    "core",
    "instructions",
    "depth",
    "rotation",
    "alternatives",
    "server",
    "imports",
    "pool",
    "portals",
)
