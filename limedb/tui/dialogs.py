"""What asks people: for a key, a value, a yes; and the help. They ask nothing of the cluster."""

from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static, TextArea

from limedb.errors import brief
from limedb.tui.figures import Cell, printable
from limedb.tui.themes import content

_CANCEL = Binding("escape", "cancel", "Cancel")


class Write(NamedTuple):
    """What is to be stored. ttl: seconds; None: for ever."""

    key: str
    value: str
    ttl: float | None


class KeyDialog(ModalScreen[str | None]):
    """Asks for a key to read."""

    BINDINGS: ClassVar[list[BindingType]] = [_CANCEL]

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def compose(self) -> ComposeResult:
        """The form."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Get a key"
            yield Input(self._key, placeholder="key", id="key")
            yield Label("enter reads it, escape leaves", classes="hint")

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        if event.value:
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        """Leave."""
        self.dismiss(None)


class SetDialog(ModalScreen[Write | None]):
    """Asks for a key, its value, and how long it lives."""

    BINDINGS: ClassVar[list[BindingType]] = [_CANCEL, Binding("ctrl+s", "store", "Store", priority=True)]

    def __init__(self, key: str, value: str) -> None:
        super().__init__()
        self._key, self._value = key, value

    def compose(self) -> ComposeResult:
        """The form."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Set a key"
            yield Input(self._key, placeholder="key", id="key")
            yield TextArea(self._value, id="value", tab_behavior="focus", placeholder="value")
            yield Input(placeholder="seconds to live (empty: for ever)", type="number", id="ttl")
            with Horizontal(classes="buttons"):
                yield Button("Store", variant="primary", id="store")
                yield Button("Cancel", id="cancel")
            yield Label("ctrl+s stores, tab goes on, escape leaves", classes="hint")

    @on(Button.Pressed, "#store")
    @on(Input.Submitted, "#ttl")
    def action_store(self) -> None:
        """Give back what was typed in, unless something is missing."""
        key, ttl = self.query_one("#key", Input), self.query_one("#ttl", Input)
        if not key.value:
            key.focus()
        elif not ttl.is_valid:
            ttl.focus()
        else:
            seconds = float(ttl.value) if ttl.value else None
            self.dismiss(Write(key.value, self.query_one("#value", TextArea).text, seconds))

    @on(Input.Submitted, "#key")
    def _go_on(self) -> None:
        self.query_one("#value").focus()

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Leave."""
        self.dismiss(None)


class DeleteDialog(ModalScreen[bool]):
    """Asks whether a key is to be deleted; the button that keeps it has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "Keep"),
        Binding("y", "answer(True)", "Delete"),
    ]

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(classes="dialog danger") as dialog:
            dialog.border_title = "Delete a key"
            yield Static(f"Delete {printable(brief(self._key, 200))}, on all its replicas?", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Keep (n)", id="keep")
                yield Button("Delete (y)", variant="error", id="delete")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "delete")

    def action_answer(self, yes: bool) -> None:
        """Answer by a key."""
        self.dismiss(yes)


HELP = (
    ("tab, shift+tab", "from pane to pane"),
    ("1, 2", "the cluster, the data"),
    ("arrows, page up/down", "move; the gossip shown is that of the node under the cursor"),
    ("/", "search keys by prefix"),
    ("n, p", "the next page of keys, the one before"),
    ("g, s, d", "get, set, delete a key"),
    ("v", "show the value as text, JSON, hex"),
    ("r", "read the page of keys again"),
    ("t", "dark or light"),
    ("?", "this help"),
    ("q", "quit"),
)


class HelpDialog(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "close", "Close")]

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            yield Static(content((Cell(f"{keys:<22}", "accent"), Cell(what)) for keys, what in HELP))
            yield Label("escape closes", classes="hint")

    def action_close(self) -> None:
        """Leave."""
        self.dismiss(None)
