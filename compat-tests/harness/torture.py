"""What the torture scripts of scripts/ share: their arguments, and a broker around the play."""

import argparse
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import clients, crew, target

ROOT = Path(__file__).resolve().parent.parent.parent


def parser(doc):
    """The arguments of every torture script."""
    env = os.environ
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--target", choices=["barnabas", "kafka"], default=env.get("TARGET", "barnabas"))
    parser.add_argument("--binary", default=env.get("BARNABAS_BIN", ROOT / "target" / "release" / "barnabas"))
    parser.add_argument("--cache", type=lambda path: Path(path).resolve(),
                        default=env.get("BARNABAS_CACHE", str(ROOT / "compat-tests" / ".cache")))
    return parser


def prepared(cache, wanted):
    """Builds the folders of clients of which one is wanted; gives their clients."""
    found = []
    for folder in clients.load(ROOT / "compat-tests" / "clients", cache):
        if any(wanted(client) for client in folder.clients):
            reason = clients.prepare(folder, cache)
            if reason:
                raise SystemExit(reason)
            found += [client for client in folder.clients if wanted(client)]
    return found


def run(args, title, play):
    """Plays with a broker of its own, whose log must hold no complaint; gives the exit code."""
    scratch = Path(tempfile.mkdtemp(prefix=f"barnabas-{title}-"))
    factory = target.Factory(args.target, args.binary, args.cache, scratch)
    print(f"{factory.title}, seed {args.seed}, in {scratch}", flush=True)
    try:
        broker = factory.make()
        play(args, broker, scratch)
        broker.stop()
        complaints = broker.complaints()
        assert not complaints, f"{len(complaints)} WARN or ERROR lines in the broker's log, first: {complaints[0]}"
    except (AssertionError, crew.Ended, crew.Refused, RuntimeError, subprocess.SubprocessError) as failure:
        print(f"failed: {failure}\nlogs and what was told are in {scratch}")
        return 1
    finally:
        factory.kill_all()
    shutil.rmtree(scratch)
    return 0
