"""Every command where the node is far away, and where it pauses: none fails, nothing is lost or twice."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

import pytest

from limedb.client import connect_sync
from limedb.operator.console_values import Sample
from limedb.tui.drafts import Draft
from limedb.tui.session import TuiSession
from tests.cli.test_watch import watching
from tests.support.clusters import limedb
from tests.support.delaying import far
from tests.support.keys import new_key
from tests.support.ports import free_ports
from tests.support.serving import HIDDEN, running_node

DELAYS = [0.4, *(pytest.param(seconds, marks=pytest.mark.torture) for seconds in (0.005, 0.1))]
"""Seconds one way: a satellite's, a city's and a continent's."""
COUNT = 1200

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node that can't be reached but where a test says, with some keys."""
    with free_ports(2) as (port, nobodys):
        settings = {**HIDDEN, "ADVERTISE_ADDRESS": f"127.0.0.1:{nobodys}"}
        with running_node(tmp_path_factory.mktemp("hidden"), port, settings) as address:
            with connect_sync(address, follow_ring=False) as db:
                db.set_many({f"far/{n:04d}": "v" * 50 for n in range(COUNT)})
            yield address


@pytest.mark.parametrize("seconds", DELAYS)
def test_every_command_works_far_away(hidden: str, tmp_path: Path, seconds: float) -> None:
    source, copy, prefix = tmp_path / "source.jsonl", tmp_path / "copy.jsonl", new_key()
    source.write_text(
        "".join(json.dumps({"key": f"{prefix}/{n}", "value": "v"}) + "\n" for n in range(COUNT))
    )
    commands = (
        ("import", str(source)),
        ("export", str(copy), "--prefix", "far/"),
        ("set", new_key(), "v"),
        ("get", "far/0000"),
        ("scan", "far/", "--limit", "0"),
        ("status",),
        ("top", "-n", "1"),
        ("bench", "write", "-n", "50", "--keys", "50", "--prefix", f"{prefix}-bench/"),
        ("admin", "status"),
    )
    with far(hidden, seconds) as address, ThreadPoolExecutor(len(commands)) as pool:
        done = list(pool.map(lambda command: limedb(*command, "--target", address), commands))
    assert {
        command[0]: run.stderr for command, run in zip(commands, done, strict=True) if run.returncode
    } == {}
    assert [json.loads(line)["key"] for line in copy.read_text().splitlines()] == [
        f"far/{n:04d}" for n in range(COUNT)
    ]
    assert done[0].stderr == f"{COUNT:,} keys stored, 0 bad lines\n"


@pytest.mark.parametrize("seconds", DELAYS)
def test_a_watch_far_away_shows_each_change_once(hidden: str, seconds: float) -> None:
    key = new_key()
    with (
        connect_sync(hidden, follow_ring=False) as db,
        far(hidden, seconds) as address,
        watching(address, key, "-o", "raw", "-n", "3") as watch,
    ):
        for value in ("1", "2", "3"):
            db.set(key, value)
        assert watch.process.wait(30) == 0
        assert watch.wait_for_lines(3) == ["1", "2", "3"]


@pytest.mark.parametrize("seconds", DELAYS)
async def test_the_terminal_ui_works_far_away(hidden: str, seconds: float) -> None:
    key = new_key()
    with far(hidden, seconds) as address:
        session = TuiSession(address, 5)
        async with aclosing(session.follow()) as told:
            assert [isinstance(await anext(told), Sample) for _ in range(2)] == [True] * 2
        page, owners, _ = await asyncio.gather(
            session.page("far/", None),
            session.owners("far/0000"),
            session.set(Draft(key, "v")),
        )
        found = await session.get(key, None)
        assert (len(page.entries), len(owners), found and found.value) == (100, 1, "v")
        await session.close()
