"""Locks while nodes and holders die, stand still and are cut off, and clocks jump: tokens keep their order.

The workers are `lock_worker.py`, real processes with the client library.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

import limedb
from tests.scenarios import lock_worker
from tests.support.children import child
from tests.support.faketime import faketime_file_env
from tests.support.netns_clusters import NetnsCluster, netns_cluster

TTL, WORKERS, LAST = 2.0, 4, 60.0
NAME = "locks/contended"

pytestmark = [pytest.mark.root, pytest.mark.long]


@dataclass(frozen=True)
class Line:
    """What a worker wrote down. token: 0 where it has none. at: seconds; 0 where it has none."""

    worker: str
    kind: str
    token: int = 0
    at: float = 0.0


@dataclass
class Span:
    """When a holder relied on its lock, in seconds."""

    begin: float
    end: float


class Story:
    """All lines of all workers, in the order in which they were written."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = list(lines)
        self.kinds = Counter(line.kind for line in self.lines)

    def disorders(self) -> list[str]:
        """Tokens that are not greater than each token of which somebody knew before their holder asked."""
        found, known, least = list[str](), 0, dict[str, int]()
        for line in self.lines:
            if line.kind == "try":
                least[line.worker] = known
            if line.kind == "has":
                if line.token <= least[line.worker]:
                    found.append(f"{line.worker} got {line.token} after {least[line.worker]} was known")
                known = max(known, line.token)
        return found

    def doubles(self) -> list[int]:
        """Tokens that were given more than once."""
        given = Counter(line.token for line in self.lines if line.kind == "has")
        return [token for token, times in given.items() if times > 1]

    def overlaps(self) -> list[tuple[int, int]]:
        """Tokens whose holders relied on the lock at the same time."""
        spans = defaultdict[int, Span](lambda: Span(float("inf"), 0.0))
        for line in self.lines:
            if line.kind in ("has", "sure"):
                span = spans[line.token]
                span.begin, span.end = min(span.begin, line.at), max(span.end, line.at)
        ordered = sorted(spans.items(), key=lambda one: one[1].begin)
        return [
            (before[0], after[0]) for before, after in pairwise(ordered) if after[1].begin < before[1].end
        ]


def read(file: Path) -> Iterator[Line]:
    """The lines of the workers; the last one of a killed worker may lack its end."""
    for text in file.read_text().splitlines():
        words = text.split()
        numbers = [float(word) if "." in word else int(word) for word in words[2:] if word[0].isdigit()]
        yield Line(words[0], words[1], *numbers)  # type: ignore[arg-type]


class Faults:
    """What goes wrong, one thing at a time, by chance. clocks: files of the nodes' clocks, if they jump."""

    def __init__(
        self,
        cluster: NetnsCluster,
        workers: "list[subprocess.Popen[str]]",
        clocks: dict[str, Path],
        rng: Random,
    ) -> None:
        self._cluster, self._workers, self._clocks, self._rng = cluster, workers, clocks, rng
        self.happened: Counter[str] = Counter()

    def run(self, seconds: float) -> None:
        """Let things go wrong for so long; everything is right again afterwards."""
        kinds = [self._pause_worker, self._pause_node, self._kill_node, self._cut_off]
        kinds += [self._jump] if self._clocks else []
        end, turn = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            kind = kinds[turn % len(kinds)]
            self.happened[kind.__name__] += 1
            kind(self._rng.choice(list(self._cluster.nodes)))
            time.sleep(self._rng.uniform(0.2, 1.5))
            turn += 1

    def _pause_worker(self, _node: str) -> None:
        worker = self._rng.choice(self._workers)
        worker.send_signal(signal.SIGSTOP)
        time.sleep(self._rng.uniform(0.5, 2 * TTL))
        worker.send_signal(signal.SIGCONT)

    def _pause_node(self, node: str) -> None:
        self._cluster.pause(node)
        time.sleep(self._rng.uniform(0.5, 2 * TTL))
        self._cluster.resume(node)

    def _kill_node(self, node: str) -> None:
        self._cluster.kill(node)
        time.sleep(self._rng.uniform(0.0, TTL))
        self._cluster.restart(node)

    def _cut_off(self, node: str) -> None:
        self._cluster.partition([node], [other for other in self._cluster.nodes if other != node])
        time.sleep(self._rng.uniform(0.5, 2 * TTL))
        self._cluster.heal()

    def _jump(self, node: str) -> None:
        self._clocks[node].write_text(f"{self._rng.choice((-60, -5, -1, -0.3, 0, 0.3, 1, 5, 60)):+g}\n")
        time.sleep(self._rng.uniform(1.0, TTL))
        self._clocks[node].write_text("+0\n")


@contextmanager
def working(cluster: NetnsCluster, file: Path) -> Iterator["list[subprocess.Popen[str]]"]:
    """Workers, which are ended at the end of the block."""
    addresses = ",".join(node.address for node in cluster.nodes.values())
    program = [sys.executable, "-m", lock_worker.__name__]
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                child(
                    [*program, f"worker{n}", str(file), NAME, addresses, str(TTL)],
                    env=os.environ | path,
                    limit=900,
                )
            )
            for n in range(WORKERS)
        ]


def count_of(cluster: NetnsCluster) -> int:
    """The count that the workers have left."""
    addresses = ",".join(node.address for node in cluster.nodes.values())
    with limedb.connect_sync(addresses, consistency="linearizable", timeout=LAST, patient=True) as db:
        return int(str(db.get(f"{NAME}/count") or "0 0").split()[1])


@pytest.mark.parametrize(
    ("jumps", "seconds"),
    [
        pytest.param(False, 15.0, id="brief"),
        pytest.param(False, 300.0, id="long", marks=pytest.mark.torture),
        pytest.param(True, 600.0, id="clocks", marks=pytest.mark.torture),
    ],
)
def test_holders_follow_one_another_whatever_goes_wrong(tmp_path: Path, jumps: bool, seconds: float) -> None:
    seed = int(os.environ.get("LOCKS_SEED", "1"))
    clocks = {f"node{n}": tmp_path / f"clock{n}" for n in (1, 2, 3)} if jumps else {}
    for clock in clocks.values():
        clock.write_text("+0\n")
    own = {name: faketime_file_env(clock) for name, clock in clocks.items()}
    with netns_cluster(tmp_path, 3, {"GOSSIP_INTERVAL": "500ms"}, own) as cluster:
        file = tmp_path / "story.txt"
        with working(cluster, file) as workers:
            faults = Faults(cluster, workers, clocks, Random(seed))
            faults.run(seconds)
            cluster.wait_serving()
            seen = len(list(read(file)))
            _wait_for_more(file, seen + 20)
        count, story = count_of(cluster), Story(read(file))
    overlaps = story.overlaps()
    sys.stdout.write(
        f"{dict(faults.happened)}: {dict(story.kinds)}, count {count}, {len(overlaps)} overlaps\n"
    )
    assert story.disorders() == []
    assert story.doubles() == []
    counted = story.kinds["count"]
    assert (
        counted <= count <= counted + story.kinds["maybe"] + WORKERS
    )  # one may have been cut short by the end
    assert story.kinds["has"] > seconds / TTL / 10
    if not jumps:
        assert overlaps == []


def _wait_for_more(file: Path, lines: int) -> None:
    end = time.monotonic() + LAST
    while len(list(read(file))) < lines:
        assert time.monotonic() < end, f"no {lines} lines within {LAST:g} s after the last fault"
        time.sleep(0.1)


def test_the_check_finds_what_it_should() -> None:
    """A holder that got a lower token, one token twice, and two that relied on the lock at one time."""
    story = Story([
        Line("a", "try"), Line("b", "try"), Line("a", "has", 7, 1.0), Line("b", "has", 8, 1.5),
        Line("a", "sure", 7, 1.6), Line("c", "try"), Line("c", "has", 8, 3.0),
    ])  # fmt: skip
    assert len(story.disorders()) == 1
    assert story.doubles() == [8]
    assert story.overlaps() == [(7, 8)]
