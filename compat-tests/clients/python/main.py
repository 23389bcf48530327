"""Runs one scenario with one client: main.py ADAPTER BOOTSTRAP SCENARIO SUFFIX (compat-tests/README.md)."""

import importlib
import os
import sys
import traceback

import administration
import members
import scenarios

adapter, bootstrap, scenario, suffix = sys.argv[1:]
code = 0
try:
    if scenario == "members":
        members.serve(adapter, bootstrap)
    else:
        client = importlib.import_module(f"adapter_{adapter}").Client(bootstrap)
        play = {**scenarios.SCENARIOS, **administration.SCENARIOS}[scenario]
        play(client, f"{scenario}-{suffix}")
except Exception as error:
    traceback.print_exc()
    print(f"{type(error).__name__}: {error}")
    code = 1
sys.stdout.flush()
# Threads of a client that still retries must not keep the process.
os._exit(code)
