"""The data: keys with a prefix, page by page, and the value of the one under the cursor.

It owns the user's place in the data, and the view of a value. It must never write.

Tested in tests/tui/test_app.py.
"""

import asyncio
import time
from contextlib import aclosing
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable, Input

from limedb.client import Entry
from limedb.core.quorum import Level
from limedb.core.visible import visible
from limedb.errors import LimeDBError
from limedb.operator.console_values import Owner
from limedb.tui.browsing import Place
from limedb.tui.data_widgets import KeysTable, ValuePane
from limedb.tui.details import caption, replicas
from limedb.tui.drafts import Present
from limedb.tui.figures import clip
from limedb.tui.panes import LinesPane
from limedb.tui.session import TuiSession
from limedb.tui.values import View, guess, shown

RESTING_SECONDS = 0.3
"""The pane follows a key's changes only after showing it this long, not those of every key that the cursor
passes.
"""
TYPING_SECONDS = 0.15
"""After this pause in typing the pane searches the prefix."""


class DataPane(Vertical):
    """The explorer. place: the page on the screen; key, value: those on the screen, the key empty if there is
    none; level: the one of the read, None: the nodes' default.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View"),
        Binding("n", "turn(True)", "Next"),
        Binding("p", "turn(False)", "Prev", show=False),
        Binding("r", "reload", "Reload", show=False),
        Binding("escape,down", "leave", "To the keys", show=False),
    ]

    def __init__(self, session: TuiSession) -> None:
        super().__init__()
        self._session = session
        self.place = Place()
        self.key, self.view = "", View.TEXT
        self.level: Level | None = None
        self.entry: Entry | None = None
        self._owners: tuple[Owner, ...] = ()
        self._trouble = ""
        self._reads, self._is_live = 0, False

    def compose(self) -> ComposeResult:
        """Yield the prefix above, keys on the left, value and replicas on the right."""
        yield Input(placeholder="prefix of keys (press /)", id="prefix", classes="pane")
        with Horizontal():
            yield KeysTable()
            with Vertical(id="detail"):
                yield ValuePane(id="value", classes="pane")
                yield LinesPane("Replicas", "replicas")

    def on_mount(self) -> None:
        """Begin at the first key."""
        self.query_one("#prefix").border_title = "Prefix"
        self.browse(self.place)

    def on_resize(self) -> None:
        """Use the new room."""
        self._show()

    # --- keys

    def browse(self, place: Place, key: str = "", pause: float = 0.0) -> None:
        """Go to a place, with the cursor on a key if it is there. pause: seconds to wait first."""
        self._browse(place, key, pause)

    def action_turn(self, forward: bool) -> None:
        """Go to the next page, or the previous one."""
        place = self.place.next() if forward else self.place.previous()
        if place is None:
            self.notify("this is the last page" if forward else "this is the first page")
        else:
            self.browse(place)

    def action_reload(self) -> None:
        """Read the page again, and the value."""
        self.browse(self.place, self.key)
        self.read(self.key, self.level)

    def action_leave(self) -> None:
        """Go from the prefix to the keys."""
        self.query_one(KeysTable).focus()

    @work(group="browse", exclusive=True)
    async def _browse(self, place: Place, key: str, pause: float) -> None:
        reads = self._reads
        await asyncio.sleep(pause)
        keys = self.query_one(KeysTable)
        try:
            page = await self._session.page(place.prefix, place.cursor)
        except LimeDBError as error:
            keys.border_subtitle = "not read"
            self.app.notify(str(error), title="Keys", severity="error", markup=False)
            return
        self.place = place.at(page)
        keys.border_subtitle = Content(self.place.label())
        keys.show(page.entries, key)
        if not key and self._reads == reads:
            self.read(keys.selected)

    @on(Input.Changed, "#prefix")
    def _typed(self, event: Input.Changed) -> None:
        if event.value != self.place.prefix:
            self.browse(Place(event.value), pause=TYPING_SECONDS)

    @on(Input.Submitted, "#prefix")
    def _entered(self, event: Input.Submitted) -> None:
        self.action_leave()

    @on(DataTable.RowHighlighted, "#keys")
    def _highlighted(self) -> None:
        """Read the key to which the user moved the cursor."""
        key = self.query_one(KeysTable).selected
        if key and key != self.key:
            self.read(key)

    # --- the value

    def read(self, key: str, level: Level | None = None) -> None:
        """Read a key at a level and show its value; empty: show nothing."""
        self._reads += 1
        self._is_live, self.level = False, level
        self._read(key)

    def action_view(self) -> None:
        """Show the value another way."""
        self.view = self.view.next
        self._show()

    @work(group="read", exclusive=True)
    async def _read(self, key: str) -> None:
        """Show a key's value, and its changes while it is on the screen."""
        if not key:
            self._take("", None, ())
            return
        if not await self._read_once(key):
            return
        await asyncio.sleep(RESTING_SECONDS)
        try:
            async with aclosing(self._session.changes(key)) as changes:
                async for _ in changes:
                    self._is_live = True
                    await self._read_once(key)
        except LimeDBError:  # the user can press r to read it again
            self._is_live = False
            self._show()

    @property
    def present(self) -> Present:
        """The state of the key on the screen."""
        if self.entry is None:
            return Present(self.key, None, 0)
        return Present(self.key, self.entry.value, self.entry.version)

    async def _read_once(self, key: str) -> bool:
        """Show a key's value, or why the read failed; return whether it succeeded."""
        try:
            entry = await self._session.get(key, self.level)
            owners = await self._session.owners(key)
        except LimeDBError as error:
            self._take(key, None, (), visible(str(error)))
            return False
        self._take(key, entry, owners)
        return True

    def _take(self, key: str, entry: Entry | None, owners: tuple[Owner, ...], trouble: str = "") -> None:
        if entry is not None and entry.value is not None and (key != self.key or self.entry is None):
            self.view = guess(entry.value)
        self.key, self.entry, self._owners, self._trouble = key, entry, owners, trouble
        self._show()

    def _show(self) -> None:
        pane, owners = self.query_one(ValuePane), self.query_one(LinesPane)
        title = clip(visible(self.key), 60) or "Value"
        if self._trouble:
            pane.show(title, "not read", self._trouble)
        elif self.entry is None or self.entry.value is None:
            pane.show(title, "", "it has no value" if self.key else "")
        else:
            now_ms = time.time_ns() // 1_000_000
            subtitle = caption(self.entry.value, self.view, self.entry.expires_at_ms, now_ms)
            subtitle += f", at {self.level.name}" if self.level else ""
            subtitle += ", live" if self._is_live else ""
            pane.show(title, subtitle, shown(self.entry.value, self.view, pane.room))
        owners.show(replicas(self._owners, owners.room))
