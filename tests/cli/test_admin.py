"""`limedb admin` against a real server.

Tests limedb/operator/admin.py.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from limedb.cli import admin_screen
from limedb.cli.app import cli
from limedb.core.report import ChangePlan, ScrubProgress
from limedb.core.topology import cancel, finish, hand_over, leave
from limedb.errors import RemoteError, TopologyChangeError
from limedb.operator.admin import AdminClient
from limedb.rpc.server.admin import AdminServicer
from limedb.rpc.server.checks import Checks
from tests.rpc.cluster_sources import DEAD, NEW, OTHER, OWN, STEADY, STREAMING, FakeCluster
from tests.rpc.peers import serving
from tests.support.ports import free_port


@dataclass(frozen=True)
class Progress:
    """How far a repair is."""

    spans: int
    spans_done: int
    pulled: int = 0
    pushed: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)


class Repairs:
    """A repair of three ranges, which fails at one of them if told to."""

    fails_at: int | None = None
    missing: Mapping[str, str] = MappingProxyType({})

    async def repair_all(self) -> AsyncIterator[Progress]:
        for done in range(4):
            if done == self.fails_at:
                raise TopologyChangeError("the topology changes")
            yield Progress(3, done, done * 10, done, self.missing)


class Scrubs:
    """A scrub of two steps, which finds what it was told to."""

    last = ScrubProgress(20, 4096, 4096)

    async def scrub_all(self) -> AsyncIterator[ScrubProgress]:
        yield ScrubProgress(10, 2048, 4096)
        yield self.last


class Admin:
    """A cluster, its repairs, and the command line in front of them."""

    def __init__(self, target: str) -> None:
        self.cluster, self.repairs, self._target = FakeCluster(), Repairs(), target
        self.scrubs = Scrubs()

    async def run(self, *arguments: str) -> Result:
        """Run a command, in a thread of its own, for it blocks."""
        command = ["admin", *arguments, "--target", self._target]
        return await asyncio.to_thread(CliRunner().invoke, cli, command)


@asynccontextmanager
async def _serving(target: str) -> AsyncIterator[Admin]:
    admin = Admin(target)
    servicer = AdminServicer(admin.cluster.sources(), admin.cluster, admin.repairs, Checks(10), admin.scrubs)
    async with serving(target, servicer):
        yield admin


@pytest_asyncio.fixture
async def admin() -> AsyncIterator[Admin]:
    with free_port() as port:
        async with _serving(f"127.0.0.1:{port}") as admin:
            yield admin


async def test_status_shows_members_and_what_is_wrong(admin: Admin) -> None:
    shown = await admin.run("status")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("cluster 00000000000000aa, epoch 1 (steady), 2 replicas of each key\n")
    assert all(url in shown.stdout for url in (OWN, OTHER, DEAD))
    assert f"! {DEAD} is dead" in shown.stdout


async def test_status_shows_the_change_that_runs(admin: Admin) -> None:
    admin.cluster.adopt(STREAMING)
    shown = (await admin.run("status")).stdout
    assert f"running: {NEW} joins (streaming), 3 of 8 ranges, 100 keys, 10 keys/s; waits for node2\n" in shown
    assert "joining" in shown


async def test_status_is_reported_as_json_too(admin: Admin) -> None:
    admin.cluster.problem, admin.cluster.warnings = "its clock is off", ["a record is damaged"]
    told = json.loads((await admin.run("status", "-o", "json")).stdout)
    assert (told["epoch"], told["phase"], len(told["members"])) == ("1", "steady", 3)
    assert f"{OWN} takes no requests: its clock is off" in told["problems"]
    assert f"{OWN}: a record is damaged" in told["problems"]


async def test_a_plan_reports_what_would_move(admin: Admin) -> None:
    shown = await admin.run("join-plan", NEW, "--zone", "z", "--virtual-nodes", "0")
    assert admin.cluster.asked == [("join", NEW, "z", 0)]
    assert "25.00%" in shown.stdout
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:]] == [OWN, OTHER]
    await admin.run("join-plan", NEW)
    assert admin.cluster.asked[1:] == [("join", NEW, "", 256)]


@pytest.mark.parametrize("command", ["decommission", "remove"])
async def test_a_dry_run_changes_nothing_and_does_not_wait(admin: Admin, command: str) -> None:
    shown = await admin.run(command, OTHER, "--dry-run")
    assert (shown.exit_code, admin.cluster.asked) == (0, [(command, OTHER, True)])


@pytest.mark.parametrize("command", ["decommission", "remove"])
async def test_without_waiting_it_returns_when_the_change_has_begun(admin: Admin, command: str) -> None:
    shown = await admin.run(command, OTHER, "--no-wait")
    assert (shown.exit_code, admin.cluster.asked) == (0, [(command, OTHER, False)])
    assert "begun in epoch 7" in shown.stdout


async def test_a_decommission_waits_until_the_node_is_gone(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_screen, "LOOK_SECONDS", 0.01)
    leaving = leave(STEADY, STEADY.members[1].node_id)
    url = STEADY.members[1].url
    waiting = asyncio.create_task(admin.run("decommission", url))
    await until(lambda: bool(admin.cluster.asked))
    admin.cluster.adopt(leaving)
    await until(lambda: admin.cluster.told_change > 0)
    admin.cluster.adopt(finish(hand_over(leaving)))
    shown = await waiting
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (0, f"{url} is no longer a member")
    assert "streaming: 3/8 " in shown.stdout


async def test_a_decommission_that_is_cancelled_meanwhile_fails(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_screen, "LOOK_SECONDS", 0.01)
    topology = STEADY
    for _ in range(5):  # to epochs behind that of the plan, 7
        topology = cancel(leave(topology, topology.members[1].node_id))
    admin.cluster.adopt(topology)
    shown = await admin.run("decommission", topology.members[1].url)
    assert (shown.exit_code, "the change was cancelled" in shown.stderr) == (1, True)


async def test_a_change_that_cannot_be_made_is_one_line_and_exit_code_1(admin: Admin) -> None:
    admin.cluster.error = TopologyChangeError("another change runs: wait for it")
    for command in (["decommission", OTHER], ["remove", OTHER], ["cancel"], ["join-plan", NEW]):
        shown = await admin.run(*command)
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert "another change runs: wait for it" in shown.stderr


async def test_a_url_that_is_none_is_refused(admin: Admin) -> None:
    shown = await admin.run("decommission", "nowhere")
    assert (shown.exit_code, "url='nowhere'" in shown.stderr) == (2, True)


async def test_cancel_reports_what_stays(admin: Admin) -> None:
    assert (await admin.run("cancel", "--dry-run")).exit_code == 0
    assert (await admin.run("cancel")).exit_code == 0
    assert admin.cluster.asked == [("cancel", True), ("cancel", False)]


async def test_a_repair_shows_lines_until_it_is_finished(admin: Admin) -> None:
    shown = await admin.run("repair")
    assert shown.exit_code == 0
    assert "repairing: 2/3 20 pulled, 2 pushed" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "3 ranges compared, 30 records pulled, 3 pushed"


async def test_a_repair_that_fails_says_why(admin: Admin) -> None:
    admin.repairs.fails_at = 2
    shown = await admin.run("repair")
    assert (shown.exit_code, "the topology changes" in shown.stderr) == (1, True)


async def test_a_repair_that_could_not_compare_with_all_says_with_whom_not(admin: Admin) -> None:
    admin.repairs.missing = {DEAD: "unreachable"}
    shown = await admin.run("repair")
    assert (shown.exit_code, f"{DEAD}: unreachable" in shown.stderr) == (1, True)


async def test_a_scrub_reports_what_it_found(admin: Admin) -> None:
    admin.scrubs.last = ScrubProgress(20, 4096, 4096, damaged=2, mended=2, index=1)
    shown = await admin.run("scrub")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [
        "scrubbing: 2/4 10 records, 0 damaged",
        "scrubbing: 4/4 20 records, 2 damaged",
        "20 records checked, 2 damaged, 2 mended from other replicas, 1 index entries mended",
    ]


async def test_a_scrub_fails_while_records_are_damaged(admin: Admin) -> None:
    admin.scrubs.last = ScrubProgress(20, 4096, 4096, damaged=2, waiting=2, lost=1)
    shown = await admin.run("scrub")
    assert (shown.exit_code, "2 records are still damaged, and no replica has 1 of them" in shown.stderr) == (
        1,
        True,
    )


async def test_nobody_there_is_one_line_and_exit_code_1() -> None:
    with free_port() as port:
        shown = await Admin(f"127.0.0.1:{port}").run("status", "--timeout", "1")
    assert (shown.exit_code, "nothing answers" in shown.stderr) == (1, True)


async def until(condition: Any) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in another thread)
            await asyncio.sleep(0.01)  # between two looks


class Reluctant(AdminClient):
    """A node that removes another at the third request. code: of its refusals before."""

    def __init__(self, code: str) -> None:
        self._code, self.asked = code, 0

    def remove(self, url: str, dry_run: bool) -> ChangePlan:
        self.asked += 1
        if self.asked < 3:
            raise RemoteError("http://a:1", "", self._code, f"{url} is alive, so it can't be removed")
        return ChangePlan("removes it", 7, (), 0.0)


def test_a_removal_waits_for_nodes_that_have_just_heard_from_the_dead_one() -> None:
    node = Reluctant("UNAVAILABLE")
    assert admin_screen.remove_dead(node, "http://b:1", 60).epoch == 7
    assert node.asked == 3


@pytest.mark.parametrize(("code", "seconds"), [("INVALID_ARGUMENT", 60.0), ("UNAVAILABLE", 0.0)])
def test_a_removal_that_is_refused_for_good_or_for_too_long_fails(code: str, seconds: float) -> None:
    node = Reluctant(code)
    with pytest.raises(RemoteError, match="is alive"):
        admin_screen.remove_dead(node, "http://b:1", seconds)
    assert node.asked == 1
