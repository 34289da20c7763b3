"""Runs a test suite of nest_asyncio's on what we install in its place: MODULE FOLDER LOOP."""

import asyncio
import sys
import unittest

import switchback

name, folder, loop = sys.argv[1:]
if loop == "uvloop":
    import uvloop

    asyncio.new_event_loop = uvloop.new_event_loop
switchback.install_as_nest_asyncio()
sys.path.insert(0, folder)
suite = unittest.defaultTestLoader.loadTestsFromName("nest_test")
result = unittest.TextTestRunner(verbosity=2).run(suite)
print(f"{name}: {result.testsRun - len(result.skipped)} run")
sys.exit(not result.wasSuccessful())
