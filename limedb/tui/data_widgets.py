"""The parts of the data pane: a page of keys, and a value. They only show; they call nothing.

Tested in tests/tui/test_app.py.
"""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Static

from limedb.core.visible import visible
from limedb.operator.console_values import KeyRow
from limedb.tui.figures import clip, size
from limedb.tui.nodes import PADDING

SIZE_WIDTH = 8


class ValuePane(VerticalScroll, can_focus=True):
    """A value. plain: the text on the screen."""

    plain = ""

    def compose(self) -> ComposeResult:
        """Yield the widget that shows it."""
        yield Static(markup=False)

    @property
    def room(self) -> int:
        """The characters of a line, beside a scroll bar."""
        return (self.content_region.width or 40) - 1

    def show(self, title: str, subtitle: str, shown: str) -> None:
        """Show a value, or why there is none."""
        self.plain = shown
        self.border_title, self.border_subtitle = Content(title), Content(subtitle)
        self.query_one(Static).update(shown)


class KeysTable(DataTable[object]):
    """A page of keys."""

    def __init__(self) -> None:
        super().__init__(id="keys", classes="pane", cursor_type="row")
        self.border_title = "Keys"
        self._entries: Sequence[KeyRow] = ()

    @property
    def selected(self) -> str:
        """The key under the cursor; empty: there is none."""
        row = self.cursor_row
        return self._entries[row].key if 0 <= row < len(self._entries) else ""

    def on_resize(self) -> None:
        """Give the keys the new room."""
        self.show(self._entries, self.selected)

    def show(self, entries: Sequence[KeyRow], key: str) -> None:
        """Show these, with the cursor on a key if it is among them."""
        width = max(12, self.size.width - SIZE_WIDTH - 3 * PADDING)
        self._entries = entries
        with self.prevent(DataTable.RowHighlighted):  # the user did not move the cursor
            self.clear(columns=True)
            self.add_column("key", width=width)
            self.add_column(Text("size", justify="right"), width=SIZE_WIDTH)
            for entry in entries:
                name = Text(clip(visible(entry.key), width))
                self.add_row(name, Text(size(entry.size), justify="right"), key=entry.key)
            keys = [entry.key for entry in entries]
            self.move_cursor(row=keys.index(key) if key in keys else 0)
