"""What the suites share: ratios and tables, child processes, charts."""
