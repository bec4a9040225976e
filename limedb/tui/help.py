"""The keys, and the screen that lists them. It calls nothing.

Tested in tests/tui/test_app.py.
"""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, Static

from limedb.tui.figures import Cell
from limedb.tui.themes import content

KEYS = (
    ("tab, shift+tab", "from pane to pane"),
    ("1, 2", "the cluster, the data"),
    ("arrows, page up/down", "move; the gossip is that of the node under the cursor"),
    ("/", "search keys by prefix"),
    ("n, p", "the next page of keys, the previous one"),
    ("g, s", "get a key, set a key"),
    ("e, d", "edit, delete the key on the screen"),
    ("  ctrl+l", "in these forms: the consistency level"),
    ("  ctrl+t, ctrl+s", "in a form with a value: as text, JSON or hex; store it"),
    ("v", "show the value as text, JSON, hex"),
    ("r", "read page and value again"),
    ("c", "continue with another cluster that answers here now"),
    ("t", "dark or light"),
    ("?", "this help"),
    ("q", "quit"),
)


class HelpDialog(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "close", "Close")]

    def compose(self) -> ComposeResult:
        """Yield the list."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            yield Static(content((Cell(f"{keys:<22}", "accent"), Cell(effect)) for keys, effect in KEYS))
            yield Label("escape closes", classes="hint")

    def action_close(self) -> None:
        """Leave."""
        self.dismiss(None)
