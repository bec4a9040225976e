"""Values edited in the terminal UI at a real cluster, beside others that write the same keys."""

from textual.widgets import Input, TextArea

from limedb.client import Client
from limedb.tui.dialogs import DeleteDialog, SetDialog
from limedb.tui.drafts import Draft
from tests.support.clusters import RunningCluster
from tests.tui.screens import Screen, live


async def test_editing_begins_with_the_value_that_is_there_as_its_kind(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    kinds = {"a": ("text", "text", "text"), "b": ("[1]", "[1]", "JSON"), "c": (b"\xff\x00", "ff 00", "hex")}
    await db.set_many({prefix + name: value for name, (value, _, _) in kinds.items()})
    async with live(cluster.nodes[0].address) as shown:
        for name, (value, typed, kind) in kinds.items():
            await shown.press("g")
            shown.app.screen.query_one(Input).value = prefix + name
            await shown.press("enter")
            await shown.until("the value", lambda name=name: shown.data.key == prefix + name)
            await shown.press("e")
            await shown.until("the form", lambda: isinstance(shown.app.screen, SetDialog))
            assert shown.app.screen.query_one(TextArea).text == typed
            assert f"● {kind}" in shown.everything()
            await shown.press("ctrl+s")
            await shown.until("no form", lambda: len(shown.app.screen_stack) == 1)
            await shown.until("it read", lambda: shown.pane("replicas").count("holds v") == 3)
            assert await db.get(prefix + name) == value


async def edited(shown: Screen, key: str) -> None:
    """Open the form for a key's value."""
    await shown.press("g")
    shown.app.screen.query_one(Input).value = key
    await shown.press("enter")
    await shown.until("the value", lambda: shown.data.key == key and shown.data.entry is not None)
    await shown.press("e")
    await shown.until("the form", lambda: isinstance(shown.app.screen, SetDialog))


async def stored(shown: Screen) -> None:
    """Store what the form has."""
    await shown.press("ctrl+s")
    await shown.until("no form", lambda: len(shown.app.screen_stack) == 1)


async def test_an_edit_keeps_the_expiry_unless_another_is_typed(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    key = f"{prefix}life"
    await db.set(key, "old", ttl=3600)
    before = await db.get_entry(key)
    assert before is not None
    async with live(cluster.nodes[0].address) as shown:
        for typed, expected in (("", before.expires_at_ms), ("never", 0)):
            await edited(shown, key)
            shown.app.screen.query_one(TextArea).text = f"new {typed}"
            shown.app.screen.query_one("#ttl", Input).value = typed
            await stored(shown)
            after = await db.get_entry(key)
            assert after is not None
            assert (after.value, after.expires_at_ms) == (f"new {typed}", expected)


async def test_what_somebody_else_wrote_is_not_overwritten_unseen(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    key = f"{prefix}shared"
    await db.set(key, "old")
    async with live(cluster.nodes[0].address) as shown:
        await edited(shown, key)
        shown.app.screen.query_one(TextArea).text = "mine"
        await db.set(key, "theirs")
        await shown.press("ctrl+s")
        await shown.until("the problem", lambda: "somebody changed it meanwhile" in shown.everything())
        assert await db.get(key) == "theirs"
        await stored(shown)
        assert await db.get(key) == "mine"
        await edited(shown, key)
        await db.delete(key)
        await shown.press("ctrl+s")
        await shown.until("the problem", lambda: "expired or was deleted meanwhile" in shown.everything())
        assert await db.get(key) is None
        await stored(shown)
        assert await db.get(key) == "mine"


async def test_what_changed_meanwhile_is_not_deleted(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    key = f"{prefix}deleted"
    await db.set(key, "old")
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("g")
        await shown.type(key)
        await shown.press("enter")
        await shown.until("the value", lambda: shown.value == "old")
        await shown.press("d")
        await shown.until("the question", lambda: isinstance(shown.app.screen, DeleteDialog))
        await db.set(key, "new")
        await shown.press("y")
        await shown.until("the word", lambda: "it was not deleted" in shown.everything())
        assert await db.get(key) == "new"


async def test_setting_a_key_begins_with_an_empty_form(
    cluster: RunningCluster, db: Client, prefix: str
) -> None:
    await db.set(f"{prefix}there", "v")
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("g")
        await shown.type(f"{prefix}there")
        await shown.press("enter")
        await shown.until("the value", lambda: shown.value == "v")
        await shown.press("s")
        assert isinstance(shown.app.screen, SetDialog)
        assert shown.app.screen.draft == Draft()


async def test_json_is_checked_before_it_is_stored(cluster: RunningCluster, db: Client, prefix: str) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("s")
        await shown.type(f"{prefix}json")
        await shown.press("enter", "ctrl+t")
        await shown.type("[1, 2")
        await shown.press("ctrl+s")
        await shown.until("what is wrong", lambda: "this is not JSON: " in shown.everything())
        assert (shown.focus, isinstance(shown.app.screen, SetDialog)) == ("value", True)
        await shown.press("end", "]", "ctrl+s")
        await shown.until("the value", lambda: shown.value == "[\n  1,\n  2\n]")
        assert await db.get(f"{prefix}json") == "[1, 2]"


async def test_bytes_are_typed_in_as_hex(cluster: RunningCluster, db: Client, prefix: str) -> None:
    async with live(cluster.nodes[0].address) as shown:
        await shown.press("s")
        await shown.type(f"{prefix}hex")
        await shown.press("enter", "ctrl+t", "ctrl+t")
        await shown.type("00 ff 2")
        await shown.press("ctrl+s")
        await shown.until("what is wrong", lambda: "this is not hex" in shown.everything())
        await shown.type("a")
        await shown.press("ctrl+s")
        await shown.until("the bytes", lambda: shown.value.startswith("000000  00 ff 2a "))
        assert await db.get(f"{prefix}hex") == b"\x00\xff*"
