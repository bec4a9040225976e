"""What tests of the terminal UI do with a screen: wait for what it shows, and read it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static, TextArea

from limedb.tui.app import LimeApp
from limedb.tui.data_pane import DataPane
from limedb.tui.data_widgets import ValuePane
from limedb.tui.dialogs import SetDialog
from limedb.tui.panes import LinesPane, NodesTable

SMALL, LARGE = (80, 24), (140, 40)
SECONDS = 5.0
"""That an answer may take, as by default."""


class Screen:
    """A terminal UI that runs, and somebody at its keyboard."""

    def __init__(self, app: LimeApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot
        self._notices, self._notify = list[str](), app.notify
        app.notify = self._note  # type: ignore[method-assign]

    def _note(self, message: str, **options: Any) -> None:
        self._notices.append(message)
        self._notify(message, **options)

    async def until(self, what: str, condition: Callable[[], object], limit: float = 30.0) -> None:
        """Wait for a condition. AssertionError: it does not come true in `limit` seconds."""
        for _ in range(int(limit / 0.05)):
            if condition():
                return
            await self.pilot.pause(0.05)  # between two looks
        raise AssertionError(f"{what}: not within {limit} s; the screen shows\n{self.everything()}")

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type text in."""
        await self.press(*text)

    async def open_set(self) -> None:
        """Open the dialog that sets a key, and empty it: it begins with what is under the cursor by then."""
        await self.press("s")
        await self.until("the dialog", lambda: isinstance(self.app.screen, SetDialog))
        self.app.screen.query_one("#key", Input).value = ""
        self.app.screen.query_one(TextArea).text = ""

    @property
    def headline(self) -> str:
        """The first line."""
        return str(self.app.screen_stack[0].query_one("#headline", Static).render())

    @property
    def data(self) -> DataPane:
        """The explorer."""
        return self.app.screen_stack[0].query_one(DataPane)

    @property
    def focus(self) -> str:
        """The name of the pane that has the focus; empty: none has."""
        return (self.app.focused.id if self.app.focused else "") or ""

    @property
    def value(self) -> str:
        """The value that is shown."""
        return self.app.screen_stack[0].query_one(ValuePane).plain

    def pane(self, name: str) -> str:
        """What the ring, gossip, events or replicas pane shows."""
        return self.app.screen_stack[0].query_one(f"#{name}", LinesPane).plain

    def nodes(self) -> dict[str, dict[str, str]]:
        """The table of nodes: cells by title, by URL."""
        table = self.app.screen_stack[0].query_one(NodesTable)
        return {
            str(row.value): {
                str(column.value): _plain(table.get_cell(row, column)) for column in table.columns
            }
            for row in table.rows
        }

    def keys(self) -> list[str]:
        """The keys on the page that is shown."""
        table: DataTable[object] = self.app.screen_stack[0].query_one("#keys", DataTable)
        return [str(row.value) for row in table.rows]

    def everything(self) -> str:
        """All that is on the screen, as text, and all notices so far: those leave it after some seconds, in
        which a busy machine may not look.
        """
        lines = [
            "".join(part.text for part in strip) for strip in self.app.screen._compositor.render_strips()
        ]
        return "\n".join([*lines, *self._notices])


@asynccontextmanager
async def screen(
    target: str,
    size: tuple[int, int] = SMALL,
    clock: Callable[[], datetime] = datetime.now,
    seconds: float = SECONDS,
) -> AsyncIterator[Screen]:
    """A terminal UI for the time of the block. seconds: that an answer may take."""
    app = LimeApp(target, seconds, clock=clock)
    async with app.run_test(size=size, notifications=True) as pilot:
        try:
            yield Screen(app, pilot)
        finally:
            app.workers.cancel_all()  # as quitting does before the panes go, and run_test does not


@asynccontextmanager
async def live(
    target: str, size: tuple[int, int] = SMALL, nodes: int = 3, seconds: float = SECONDS
) -> AsyncIterator[Screen]:
    """A terminal UI that shows that many active nodes. seconds: that an answer may take."""
    async with screen(target, size, seconds=seconds) as shown:
        await shown.until("all nodes", lambda: list(statuses(shown)) == ["active"] * nodes)
        yield shown


def statuses(shown: Screen) -> list[str]:
    """The status of each node."""
    return [row["status"] for row in shown.nodes().values()]


def _plain(cell: object) -> str:
    return cell.plain.strip() if isinstance(cell, Text) else str(cell)
