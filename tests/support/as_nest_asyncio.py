"""Runs a program with what we install in nest_asyncio's place: PROGRAM."""

import runpy
import sys

import switchback

switchback.install_as_nest_asyncio()
switchback.install_as_nest_asyncio()
runpy.run_path(sys.argv[1], run_name="__main__")
