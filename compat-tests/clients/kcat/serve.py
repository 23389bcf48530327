"""Obeys lines on stdin: each name of the harness in a thread of its own."""

import os
import queue
import sys
import threading

from members import Member
from transactions import Transactor


class Named:
    def __init__(self, one):
        self.one, self.commands = one, queue.SimpleQueue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            self.one.obey(*self.commands.get())


def serve(bootstrap):
    known = {}
    for line in sys.stdin:
        name, verb, *words = line.rstrip("\n").split(" ")
        if name not in known:
            known[name] = Named((Transactor if verb.startswith("txn-") else Member)(bootstrap, name))
        known[name].commands.put((verb, dict(word.split("=", 1) for word in words)))
    for named in known.values():
        named.one.end()
    sys.stdout.flush()
    os._exit(0)
