"""The client libraries of several checkouts, and redis-py, in turns: processor time of client and nodes.

    python -m bench.library --what set before=/path/of/a/checkout after=.

Each caller does one operation after another. It owns the turns, as `bench.compare` does for the nodes alone:
nodes and client are of the same checkout. Redis stands beside them where it is installed, with appendfsync
always.

Tested in tests/benchmarks/test_library.py.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.clients.redis_api import missing_library
from bench.compare import Checkout
from bench.processor import used_seconds
from bench.systems.redis import Redis

CALLER = Path(__file__).parent / "clients" / "library_caller.py"


class Measured(NamedTuple):
    """One turn. rate: operations a second; client, server: µs of processor time an operation."""

    rate: float
    client: float
    server: float


def measure(
    library: str, root: Path, address: str, pids: list[int], what: str, callers: int, seconds: float
) -> Measured:
    """Run one turn with the library (limedb or redis) of a checkout. pids: the server's processes."""
    env = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'gen'}", "PYTHONSAFEPATH": "1"}
    command = [sys.executable, str(CALLER), library, address, what, str(callers), str(seconds)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has warmed up
        before = used_seconds(pids)
        line = process.stdout.readline()
        used = used_seconds(pids) - before
    if process.returncode or not line:
        raise SystemExit(f"{' '.join(command)} failed")
    done, took, client = map(float, line.split())
    return Measured(done / took, 1e6 * client / done, 1e6 * used / done)


def main() -> None:
    """Print the figures of each checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkouts", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--what", default="set", choices=["set", "get"])
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args()
    named = {name: Path(root).resolve() for name, root in (each.split("=", 1) for each in asked.checkouts)}
    with tempfile.TemporaryDirectory() as folder:
        checkouts = {name: Checkout(root, Path(folder, name), asked.nodes) for name, root in named.items()}
        redis = Redis(Path(folder, "redis"))
        systems: dict[str, Checkout | Redis] = {**checkouts}
        if not (redis.missing() or missing_library()):
            systems["Redis"] = redis
        figures: dict[str, list[Measured]] = {name: [] for name in systems}
        try:
            for system in systems.values():
                system.start()
            for turn in range(asked.rounds):
                for name in [*systems][:: -1 if turn % 2 else 1]:
                    system, library = systems[name], "redis" if name == "Redis" else "limedb"
                    root = named.get(name, Path())
                    args = (root, system.address, system.pids, asked.what, asked.callers, asked.seconds)
                    figures[name].append(measure(library, *args))
        finally:
            for system in systems.values():
                system.stop()
    for name, rounds in figures.items():
        print(f"{name:12} {row(rounds)}")


def row(rounds: list[Measured]) -> str:
    """The medians and spans of some rounds."""
    rates, client, server = (sorted(column) for column in zip(*rounds, strict=True))
    mid = statistics.median
    return (
        f"{mid(rates):9,.0f}/s ({rates[0]:,.0f} to {rates[-1]:,.0f}); µs of processor time: client "
        f"{mid(client):.1f} ({client[0]:.1f} to {client[-1]:.1f}), server {mid(server):.1f} "
        f"({server[0]:.1f} to {server[-1]:.1f})"
    )


if __name__ == "__main__":
    main()
