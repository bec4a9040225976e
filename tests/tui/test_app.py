"""The terminal UI at a real cluster: screen and keyboard, and other clients that tell whether it is true.

Tests limedb/tui/choice.py, limedb/tui/data_pane.py, limedb/tui/data_widgets.py, limedb/tui/panes.py and
limedb/tui/themes.py.
"""

import pytest
from textual.widgets import Input

from limedb.client import Client
from limedb.tui.dialogs import DeleteDialog, SetDialog
from limedb.tui.help import HelpDialog
from limedb.tui.values import View
from tests.support.clusters import RunningCluster
from tests.support.ports import free_port
from tests.support.serving import Pair
from tests.tui.screens import LARGE, SMALL, live, screen


async def test_nodes_appear_with_status_and_rates(cluster: RunningCluster, db: Client, prefix: str) -> None:
    async with live(cluster.nodes[0].address, LARGE) as shown:
        assert list(shown.nodes()) == [node.url for node in cluster.nodes]
        assert "3/3 nodes · epoch" in shown.headline
        await db.set_many({f"{prefix}{i}": "x" for i in range(300)})
        await shown.until(
            "sets a second of some node",
            lambda: any(row["set/s"] not in ("0", "-") for row in shown.nodes().values()),
        )
        assert all(row["memory"].endswith("MiB") for row in shown.nodes().values())
        await shown.until(
            "300 keys at each node",
            lambda: all(int(row["keys"]) >= 300 for row in shown.nodes().values()),
        )


async def test_owns_shows_what_each_node_holds_a_replica_of(cluster: RunningCluster) -> None:
    """Three nodes with three replicas of each key own all keys, as `limedb status` has it."""
    async with live(cluster.nodes[0].address) as shown:
        lines = shown.pane("ring").splitlines()
        assert [line.split()[-1] for line in lines] == ["100.0%"] * 3


async def test_selecting_a_node_shows_its_own_gossip(cluster: RunningCluster) -> None:
    names = [node.address for node in cluster.nodes]
    async with live(cluster.nodes[0].address, LARGE) as shown:
        await shown.until("gossip of the first", lambda: names[1] in shown.pane("gossip"))
        assert names[0] not in shown.pane("gossip")
        await shown.press("down", "down")
        await shown.until("gossip of the third", lambda: names[0] in shown.pane("gossip"))
        assert names[2] not in shown.pane("gossip")
        await shown.until("all well", lambda: "healthy" in shown.pane("gossip"))


async def test_gossip_is_asked_at_the_address_that_a_node_advertises(advertised: Pair) -> None:
    async with live(advertised.first, LARGE, nodes=2) as shown:
        assert list(shown.nodes()) == [f"http://{advertised.first}", advertised.url]
        await shown.press("down")
        await shown.until("gossip of the second", lambda: advertised.first in shown.pane("gossip"))


async def test_what_is_set_in_the_explorer_is_in_the_cluster(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.open_set()
        await shown.type(f"{prefix}lime")
        await shown.press("enter")
        await shown.type('{"colour": "green"}')
        await shown.press("ctrl+s")
        await shown.until("the value", lambda: shown.value == '{\n  "colour": "green"\n}')
        assert await db.get(f"{prefix}lime") == '{"colour": "green"}'
        await shown.until("three replicas", lambda: shown.pane("replicas").count("holds v") == 3)


async def test_a_value_with_a_time_to_live_says_when_it_ends(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.open_set()
        await shown.type(f"{prefix}brief")
        await shown.press("enter")
        await shown.type("here")
        await shown.press("tab")
        await shown.type("600")
        await shown.press("enter")
        await shown.until("the life of the value", lambda: "expires in 10m" in shown.everything())
        assert await db.get(f"{prefix}brief") == "here"


async def test_get_shows_a_value_in_three_views(cluster: RunningCluster, db: Client, prefix: str) -> None:
    await db.set(f"{prefix}list", "[1,2]")
    async with live(cluster.nodes[1].address) as shown:
        await shown.press("g")
        await shown.type(f"{prefix}list")
        await shown.press("enter")
        await shown.until("the value as JSON", lambda: shown.value == "[\n  1,\n  2\n]")
        await shown.until("the keys in focus", lambda: shown.focus == "keys")
        await shown.press("v")
        assert shown.data.view is View.HEX
        assert shown.value.startswith("000000  5b 31 2c 32 5d")
        await shown.press("v")
        assert shown.value == "[1,2]"


async def test_the_value_that_is_shown_follows_its_changes(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    await db.set(f"{prefix}moving", "old")
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("g")
        await shown.type(f"{prefix}moving")
        await shown.press("enter")
        await shown.until("that it is followed", lambda: ", live" in shown.everything())
        await db.set(f"{prefix}moving", "new")
        await shown.until("the new value", lambda: shown.value == "new")
        await db.delete(f"{prefix}moving")
        await shown.until("that it has none", lambda: shown.value == "it has no value")


async def test_get_of_a_key_without_a_value_says_so(cluster: RunningCluster, prefix: str) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("g")
        await shown.type(f"{prefix}nothing")
        await shown.press("enter")
        await shown.until("that there is none", lambda: shown.value == "it has no value")


async def test_a_key_is_deleted_only_after_a_yes(cluster: RunningCluster, db: Client, prefix: str) -> None:
    await db.set(f"{prefix}old", "x")
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("g")
        await shown.type(f"{prefix}old")
        await shown.press("enter")
        await shown.until("the value", lambda: shown.value == "x")
        for refusal in ("n", "escape", "enter"):
            await shown.press("d")
            assert isinstance(shown.app.screen, DeleteDialog)
            await shown.press(refusal)
            assert not isinstance(shown.app.screen, DeleteDialog)
        assert await db.get(f"{prefix}old") == "x"
        await shown.press("d", "y")
        await shown.until("another key shown", lambda: shown.data.key != f"{prefix}old")
        assert await db.get(f"{prefix}old") is None


async def test_keys_are_browsed_by_prefix_and_page(cluster: RunningCluster, db: Client, prefix: str) -> None:
    names = [f"{prefix}{i:03}" for i in range(230)]
    await db.set_many(dict.fromkeys(names, "x"))
    await db.set(f"{prefix[:-1]};other", "x")
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("slash")
        await shown.until("the prefix in focus", lambda: shown.focus == "prefix")
        await shown.type(prefix)
        await shown.until("the first page", lambda: shown.keys() == names[:100])
        await shown.press("enter")
        await shown.until("the keys in focus", lambda: shown.focus == "keys")
        await shown.press("n")
        await shown.until("the second page", lambda: shown.keys() == names[100:200])
        await shown.press("n")
        await shown.until("the last page", lambda: shown.keys() == names[200:])
        await shown.press("n")
        assert shown.data.place.number == 3
        await shown.press("p")
        await shown.until("the second page again", lambda: shown.keys() == names[100:200])
        await shown.press("down")
        await shown.until("the value of the key under the cursor", lambda: shown.data.key == names[101])


async def test_hostile_keys_and_values_are_shown_and_not_obeyed(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    key = f"{prefix}[red]\x1b[31m[/]\n"
    await db.set(key, "[b]bold[/b] \x1b]0;title\x07 [@click=app.quit]x[/]")
    async with live(cluster.nodes[0].address, LARGE) as shown:
        await shown.press("slash")
        await shown.until("the prefix in focus", lambda: shown.focus == "prefix")
        await shown.type(prefix)
        await shown.until("the key", lambda: shown.keys() == [key])
        await shown.until("its value", lambda: shown.data.key == key)
        assert shown.value == "[b]bold[/b] ␛]0;title␇ [@click=app.quit]x[/]"
        told = f"{prefix}[red]␛[31m[/]␊"  # in the list, and above its value
        await shown.until("the key, twice", lambda: shown.everything().count(told) == 2)
        assert "\x1b" not in shown.everything()
        assert "[@click=app.quit]x[/]" in shown.everything()
        await shown.press("enter", "d")
        await shown.until("the question", lambda: f"{key!r}, on all" in shown.everything())
        await shown.press("y")
        await shown.until("it deleted", lambda: shown.keys() == [])
        assert await db.get(key) is None


async def test_bytes_are_shown_as_hex(cluster: RunningCluster, db: Client, prefix: str) -> None:
    await db.set(f"{prefix}bytes", b"\x00\xff lime")
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("g")
        await shown.type(f"{prefix}bytes")
        await shown.press("enter")
        await shown.until("the bytes", lambda: shown.value.startswith("000000  00 ff 20 6c 69 6d 65 "))


async def test_a_key_is_asked_for_and_a_time_that_is_none_is_refused(cluster: RunningCluster) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("s", "ctrl+s")
        await shown.until("that a key is missing", lambda: "a key is missing" in shown.everything())
        await shown.press("k", "enter", "tab", "0", "enter")
        await shown.until("that it is no time", lambda: "a number above 0" in shown.everything())
        assert shown.focus == "ttl"


async def test_a_level_is_chosen_by_keys_and_stays_chosen(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    await db.set(f"{prefix}level", "v")
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("g")
        assert "● default" in shown.everything()
        await shown.type(f"{prefix}level")
        await shown.press("tab", "right", "right")
        assert "● QUORUM" in shown.everything()
        await shown.press("shift+tab", "ctrl+l", "enter")
        await shown.until("the value, at that level", lambda: "as text, at ALL" in shown.everything())
        for key in ("g", "s", "d"):
            await shown.press(key)
            assert "● ALL" in shown.everything()
            await shown.press("escape")


async def test_it_works_through_envoy(cluster: RunningCluster, db: Client, prefix: str) -> None:
    async with live(cluster.envoy_address) as shown:
        await shown.open_set()
        await shown.type(f"{prefix}envoy")
        await shown.press("enter", "x", "ctrl+s")
        await shown.until("the value", lambda: shown.value == "x")
        assert await db.get(f"{prefix}envoy") == "x"


async def test_what_a_node_refuses_is_said_and_nothing_breaks(cluster: RunningCluster, prefix: str) -> None:
    async with live(cluster.nodes[0].address, LARGE) as shown:
        await shown.press("g")
        shown.app.screen.query_one(Input).value = "k" * 5000
        await shown.press("enter")
        await shown.until(
            "why not", lambda: "key of 5000 bytes is too long" in shown.value.replace("\n", " ")
        )
        await shown.press("1")
        assert shown.headline.startswith("●")


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_all_panes_are_on_the_screen(cluster: RunningCluster, size: tuple[int, int]) -> None:
    async with live(cluster.nodes[0].address, size) as shown:
        for tab, panes in (
            ("1", ("nodes", "ring", "gossip", "events")),
            ("2", ("prefix", "keys", "value", "replicas")),
        ):
            await shown.press(tab)
            for name in panes:
                region = shown.app.query_one(f"#{name}").region
                assert shown.app.screen.region.contains_region(region), name
                assert region.height >= 3, name
        for hint in ("/ Search", "g Get", "s Set", "e Edit", "d Delete", "? Help", "q Quit"):
            assert hint in shown.everything().splitlines()[-1]


async def test_tab_goes_from_pane_to_pane_and_back(cluster: RunningCluster) -> None:
    async with live(cluster.nodes[0].address) as shown:
        order = []
        for _ in range(4):
            order.append(shown.focus)
            await shown.press("tab")
        assert order == ["nodes", "ring", "gossip", "events"]
        await shown.press(*["shift+tab"] * 4)
        assert shown.focus == "nodes"


async def test_help_shows_the_keys_and_escape_leaves_every_dialog(cluster: RunningCluster) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("question_mark")
        assert isinstance(shown.app.screen, HelpDialog)
        assert "search keys by prefix" in shown.everything()
        await shown.press("escape", "s")
        assert isinstance(shown.app.screen, SetDialog)
        await shown.press("escape")
        assert len(shown.app.screen_stack) == 1


async def test_light_and_dark_change_and_stay_readable(cluster: RunningCluster) -> None:
    async with live(cluster.nodes[0].address) as shown:
        dark = shown.app.screen.styles.background
        await shown.press("t")
        light = shown.app.screen.styles.background
        assert dark.brightness < 0.2
        assert light.brightness > 0.8
        await shown.press("t")
        assert shown.app.screen.styles.background == dark


async def test_q_quits(cluster: RunningCluster) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("q")
        assert not shown.app.is_running


async def test_where_nothing_answers_it_says_so_and_continues_trying() -> None:
    with free_port() as port:
        async with screen(f"127.0.0.1:{port}") as shown:
            await shown.until(
                "that nothing answers",
                lambda: shown.headline == f"○ 127.0.0.1:{port}: nothing answers; trying again",
            )
            await shown.press("g", "k", "enter")
            await shown.until("that nothing can be read", lambda: "no node answers" in shown.value)
