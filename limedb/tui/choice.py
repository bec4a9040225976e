"""A choice of one of a few words, on one line. It must never know what they mean.

Tested in tests/tui/test_app.py.
"""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static


class Choice(Static, can_focus=True):
    """Shows all words, the chosen one marked; arrows choose another. at: the number of the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Before", show=False),
        Binding("right,space", "turn(1)", "Next", show=False),
    ]
    at: reactive[int] = reactive(0)

    def __init__(self, label: str, words: Sequence[str], chosen: str, name: str) -> None:
        super().__init__(id=name)
        self._label, self._words = label, tuple(words)
        self.set_reactive(Choice.at, self._words.index(chosen))

    @property
    def chosen(self) -> str:
        """The chosen word."""
        return self._words[self.at]

    def render(self) -> Content:
        """Return the line."""
        parts = (
            (f"  {'●' if word == self.chosen else '○'} {word}", self._style(word)) for word in self._words
        )
        return Content.assemble((f"{self._label:<6}", "$text-muted"), *parts)

    def action_turn(self, step: int) -> None:
        """Choose the next one, or the previous one, and wrap around."""
        self.at = (self.at + step) % len(self._words)

    def on_click(self) -> None:
        """Choose the next one, as the key does."""
        self.action_turn(1)

    def _style(self, word: str) -> str:
        return "bold $primary" if word == self.chosen else "$text-muted"
