# One command a check; each is a script in scripts/. See CONTRIBUTING.md.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-next bench bench-quick cpp-test lint format types asan tsan leak torture fuzz mutants test-arm64 dist check clean

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: ## make the machine ready: packages, one virtual environment a Python
	@scripts/setup.sh gtest benchmark clang valgrind wrk demo bench lint

demo: ## run the demo
	@scripts/demo.sh

.PHONY: recording
recording: ## draw docs/recording.svg anew, from a real run
	@scripts/recording.sh

test: ## run every test, on each Python found
	@scripts/test.sh

test-next: ## run the tests on CPython 3.14 and 3.15, in a root directory of Debian sid; by root
	@scripts/test-next.sh

bench: ## run the benchmarks, in a quarter of an hour
	@scripts/bench.sh

bench-quick: ## run the benchmarks with few rounds, in two minutes
	@scripts/bench.sh --quick

cpp-test: ## run the C++ tests of src/core
	@scripts/cpp-test.sh

lint: ## check how the source is written
	@scripts/lint.sh

format: ## format the source
	@scripts/lint.sh --fix

types: ## check the types
	@scripts/types.sh

asan: ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/asan.sh

tsan: ## run the tests under ThreadSanitizer
	@scripts/tsan.sh

leak: ## repeat operations and tests, and look for what they leave behind
	@scripts/leak.sh

torture: ## run parts of CPython's own suite inside portals
	@scripts/torture.sh

fuzz: ## compare random programs, run natively and through portals
	@scripts/fuzz.sh

mutants: ## change the engine in many small ways, and expect a test to fail each time
	@scripts/mutants.sh

test-arm64: ## run the C++ tests and pytest for AArch64, emulated
	@scripts/test-arm64.sh

dist: ## build the source distribution and a wheel, and try them
	@scripts/dist.sh

check: lint types test ## run all that has to pass before a change is merged

clean: ## remove what was built, all but the virtual environments
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
