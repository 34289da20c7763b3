"""The suites of the benchmark, in the order in which they are run."""

SUITES = (
    "latency",
    "core",
    "instructions",
    "depth",
    "alternatives",
    "server",
    "imports",
    "pool",
    "portals",
)
