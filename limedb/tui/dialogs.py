"""Dialogs: they ask the user for a key, a value, a confirmation, and a level. They never call the cluster.

Tested in tests/tui/test_app.py.
"""

from dataclasses import replace
from typing import ClassVar, Generic, NamedTuple, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static, TextArea

from limedb.core.quorum import Level
from limedb.core.visible import visible
from limedb.errors import brief
from limedb.tui.choice import Choice
from limedb.tui.drafts import NEVER, Draft
from limedb.tui.values import View

T = TypeVar("T")

DEFAULT = "default"
"""The default level of the nodes."""
LEVELS = (DEFAULT, *(level.name for level in Level))


class Answer(NamedTuple):
    """A key, and the level of the call; None: the nodes' default."""

    key: str
    level: Level | None


class Dialog(ModalScreen[T | None], Generic[T]):
    """Asks for something and for a level, which is `level` at first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+l", "turn('level')", "Level", priority=True),
    ]

    def __init__(self, level: Level | None) -> None:
        super().__init__()
        self._choice = Choice("level", LEVELS, level.name if level else DEFAULT, "level")

    @property
    def level(self) -> Level | None:
        """The chosen level."""
        return None if self._choice.chosen == DEFAULT else Level[self._choice.chosen]

    def action_turn(self, choice: str) -> None:
        """Choose the next level, or the next word of another choice."""
        self.query_one(f"#{choice}", Choice).action_turn(1)

    def action_cancel(self) -> None:
        """Leave."""
        self.dismiss(None)


class KeyDialog(Dialog[Answer]):
    """Asks for a key to read."""

    def __init__(self, key: str, level: Level | None) -> None:
        super().__init__(level)
        self._key = key

    def compose(self) -> ComposeResult:
        """Yield the form."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Get a key"
            yield Input(self._key, placeholder="key", id="key")
            yield self._choice
            yield Label("enter reads it, ctrl+l changes the level, escape leaves", classes="hint")

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        if event.value:
            self.dismiss(Answer(event.value, self.level))


class SetDialog(Dialog[Draft]):
    """Asks for a key, its value, and how long it lives; it returns only a valid draft. problem: why the draft
    could not be stored before.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "store", "Store", priority=True),
        Binding("ctrl+t", "turn('view')", "Type", priority=True),
    ]

    def __init__(self, draft: Draft, problem: str = "") -> None:
        super().__init__(draft.level)
        self._draft, self._problem = draft, problem
        self._shown_key = draft.key
        self._view = Choice("as", [view.value for view in View], draft.view.value, "view")

    def compose(self) -> ComposeResult:
        """Yield the form."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Set a key"
            yield Input(self._draft.key, placeholder="key", id="key")
            yield TextArea(self._draft.text, id="value", tab_behavior="focus", placeholder="value")
            empty = "forever" if self._draft.present is None else f"as before; or {NEVER}"
            yield Input(self._draft.ttl, placeholder=f"seconds to live (empty: {empty})", id="ttl")
            yield self._view
            yield self._choice
            yield Label(id="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Store", variant="primary", id="store")
                yield Button("Cancel", id="cancel")
            yield Label(
                "ctrl+s stores, ctrl+t and ctrl+l choose, tab moves on, escape leaves", classes="hint"
            )

    def on_mount(self) -> None:
        """Show the problem of the last try."""
        self._shown_key = self.query_one("#key", Input).value
        self._show_problem(self._problem)

    @property
    def draft(self) -> Draft:
        """The draft as typed."""
        typed = self.query_one("#key", Input).value
        return replace(
            self._draft,
            key=self._draft.key
            if typed == self._shown_key
            else typed,  # a field may change what it can't show
            text=self.query_one("#value", TextArea).text,
            view=View(self._view.chosen),
            ttl=self.query_one("#ttl", Input).value,
            level=self.level,
        )

    @on(Button.Pressed, "#store")
    @on(Input.Submitted, "#ttl")
    def action_store(self) -> None:
        """Return the draft, unless something is missing or invalid."""
        draft = self.draft
        if (wrong := _problem(draft)) is None:
            self.dismiss(draft)
            return
        field, why = wrong
        self.query_one(f"#{field}").focus()
        self._show_problem(why)

    def _show_problem(self, problem: str) -> None:
        label = self.query_one("#problem", Label)
        label.update(problem)
        label.display = bool(problem)

    @on(Input.Submitted, "#key")
    def _go_on(self) -> None:
        self.query_one("#value").focus()

    @on(Button.Pressed, "#cancel")
    def _leave(self) -> None:
        self.action_cancel()


class DeleteDialog(Dialog[Answer]):
    """Asks whether to delete a key; the button that keeps it has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "cancel", "Keep"),
        Binding("y", "delete", "Delete"),
    ]
    AUTO_FOCUS = "#keep"

    def __init__(self, key: str, level: Level | None) -> None:
        super().__init__(level)
        self._key = key

    def compose(self) -> ComposeResult:
        """Yield the question."""
        with Vertical(classes="dialog danger") as dialog:
            dialog.border_title = "Delete a key"
            yield Static(f"Delete {visible(brief(self._key, 200))}, on all its replicas?", markup=False)
            yield self._choice
            with Horizontal(classes="buttons"):
                yield Button("Keep (n)", id="keep")
                yield Button("Delete (y)", variant="error", id="delete")

    @on(Button.Pressed, "#delete")
    def action_delete(self) -> None:
        """Confirm."""
        self.dismiss(Answer(self._key, self.level))

    @on(Button.Pressed, "#keep")
    def _keep(self) -> None:
        self.action_cancel()


def _problem(draft: Draft) -> tuple[str, str] | None:
    """Return the invalid field, and why it is; None: all are valid."""
    if not draft.key:
        return "key", "a key is missing"
    for field, parse in (("value", lambda: draft.value), ("ttl", lambda: draft.seconds)):
        try:
            parse()
        except ValueError as error:
            return field, str(error)
    return None
