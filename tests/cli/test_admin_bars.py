"""The bars of `limedb admin`, on a terminal, at real clusters.

Tests limedb/cli/bars.py.
"""

import json
from collections.abc import Iterator

import pytest

import limedb as library
from tests.cli.terminal import on_terminal
from tests.support.clusters import RunningCluster, limedb, running_cluster
from tests.support.waiting import wait_for

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""What hides the cursor, and what brings it back."""
FULL = "[####################################]  100%"


@pytest.fixture
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Four nodes with some keys, which a test may send away."""
    with running_cluster(tmp_path_factory.mktemp("four"), 4, {"STORE": "memory"}, envoy=False) as running:
        with library.connect_sync(running.nodes[0].address) as db:
            db.set_many({f"bar/{n}": "v" for n in range(2000)})
        yield running


def last_frame(shown: str) -> str:
    """The bar as it was left."""
    return shown.rpartition(HIDDEN)[2].partition(SHOWN)[0]


def members(cluster: RunningCluster) -> set[str]:
    told = json.loads(limedb("status", "-o", "json", "--target", cluster.nodes[0].address).stdout)
    return {member["url"] for member in told["members"]}


def test_a_repair_has_a_bar_that_fills_and_then_the_result(cluster: RunningCluster) -> None:
    code, shown = on_terminal("admin", "repair", "--target", cluster.nodes[0].address)
    assert (code, "repairing  [------------------------------------]    0%" in shown) == (0, True)
    assert last_frame(shown).startswith(f"repairing  {FULL}  0 pulled, ")
    assert " ranges compared, " in shown.rpartition(SHOWN)[2]
    assert "\nrepairing" not in shown, "a bar stays on its line"


@pytest.mark.cluster
def test_a_decommission_has_a_bar_that_fills_and_then_the_result(four: RunningCluster) -> None:
    leaver = four.nodes[3].url
    code, shown = on_terminal("admin", "decommission", leaver, "--target", four.nodes[0].address)
    assert (code, f"{leaver} leaves (begun in epoch" in shown.partition(HIDDEN)[0]) == (0, True)
    assert last_frame(shown).startswith(f"streaming  {FULL}")
    assert shown.rpartition(SHOWN)[2] == f"\r\n{leaver} is no longer a member\r\n"


@pytest.mark.cluster
def test_ctrl_c_ends_the_waiting_gives_the_cursor_back_and_lets_the_change_continue(
    four: RunningCluster,
) -> None:
    leaver = four.nodes[3].url
    command = ("admin", "decommission", leaver, "--target", four.nodes[0].address)
    code, shown = on_terminal(*command, interrupt_at="streaming")
    assert (code, shown.count(SHOWN), "Traceback" in shown) == (130, 1, False)
    wait_for("the node to be gone", lambda: leaver not in members(four), 60)


@pytest.mark.cluster
def test_in_a_pipe_progress_is_lines(four: RunningCluster) -> None:
    leaver = four.nodes[3].url
    done = limedb("admin", "decommission", leaver, "--target", four.nodes[0].address)
    assert (done.returncode, "\x1b" in done.stdout, "####" in done.stdout) == (0, False, False)
    assert done.stdout.endswith(f"{leaver} is no longer a member\n")
