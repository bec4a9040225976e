"""The panes of the cluster: nodes, ring, gossip, events. They only show; they call nothing.

Tested in tests/tui/test_app.py.
"""

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Static

from limedb.core.visible import visible
from limedb.operator.console_values import NodeRow
from limedb.tui import nodes
from limedb.tui.cluster import Event
from limedb.tui.figures import Cell, Line, plain
from limedb.tui.themes import content, text


class LinesPane(VerticalScroll, can_focus=True):
    """Lines of text that scroll. lines: those on the screen."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__(id=name, classes="pane")
        self.border_title = title
        self.lines: list[Line] = []

    def compose(self) -> ComposeResult:
        """Yield the widget that shows the lines."""
        yield Static()

    def show(self, lines: Iterable[Line]) -> None:
        """Show other lines."""
        self.lines = list(lines)
        self.query_one(Static).update(content(self.lines))

    @property
    def plain(self) -> str:
        """The lines without colours."""
        return plain(self.lines)

    @property
    def room(self) -> int:
        """The characters of a line."""
        return self.scrollable_content_region.width or 36


class EventsPane(LinesPane):
    """The events, the newest first."""

    def show_events(self, events: Iterable[Event]) -> None:
        """Show these."""
        self.show(
            (Cell(f"{event.at:%H:%M:%S} ", "dim"), Cell(visible(event.text), event.tone)) for event in events
        )


class NodesTable(DataTable[object]):
    """A row for each node, by URL; the cursor stays on its node."""

    def __init__(self) -> None:
        super().__init__(
            id="nodes", classes="pane", cursor_type="row", cursor_foreground_priority="renderable"
        )
        self.border_title = "Nodes"
        self._shape: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def selected(self) -> str:
        """The URL of the node under the cursor; empty: there is none."""
        if not self.is_valid_row_index(self.cursor_row):
            return ""
        return str(self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value)

    def show(self, samples: Sequence[NodeRow], rates: Mapping[str, nodes.Rates]) -> None:
        """Show these nodes, in as many columns as fit."""
        columns = nodes.columns(max(20, self.size.width))
        shape = (tuple(column.title for column in columns), tuple(node.url for node in samples))
        if shape != self._shape:
            self._rebuild(columns, samples)
            self._shape = shape
        for node in samples:
            for column in columns:
                cell = column.cell(node, rates.get(node.url, ()))
                self.update_cell(node.url, column.title, self._text(cell, column))

    def _rebuild(self, columns: Sequence[nodes.Column], samples: Sequence[NodeRow]) -> None:
        selected = self.selected
        self.clear(columns=True)
        for column in columns:
            title = self._text(Cell(column.title, "dim"), column)
            self.add_column(title, width=column.width, key=column.title)
        for node in samples:
            self.add_row(*("" for _ in columns), key=node.url)
        urls = [node.url for node in samples]
        self.move_cursor(row=urls.index(selected) if selected in urls else 0)

    def _text(self, cell: Cell, column: nodes.Column) -> Text:
        return text(cell, self.app.theme_variables, column.right)
