"""The place of a user who browses the keys with a prefix, page by page. It must never call anything.

Tested in tests/tui/test_values.py.
"""

from dataclasses import dataclass, field, replace

from limedb.operator.console_values import KeyPage


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the keys with a prefix. cursors: the beginnings of the pages up to this one; None: the first
    key.
    """

    prefix: str = ""
    cursors: tuple[str | None, ...] = (None,)
    page: KeyPage = field(default_factory=lambda: KeyPage(()))

    @property
    def number(self) -> int:
        """The page's number, from 1."""
        return len(self.cursors)

    @property
    def cursor(self) -> str | None:
        """The beginning of this page; None: the first key."""
        return self.cursors[-1]

    def at(self, page: KeyPage) -> "Place":
        """Return this place with its page."""
        return replace(self, page=page)

    def next(self) -> "Place | None":
        """Return the page after this one, not read yet; None: this is the last."""
        if self.page.after is None:
            return None
        return replace(self, cursors=(*self.cursors, self.page.after), page=KeyPage(()))

    def previous(self) -> "Place | None":
        """Return the page before this one, not read yet; None: this is the first."""
        return replace(self, cursors=self.cursors[:-1], page=KeyPage(())) if len(self.cursors) > 1 else None

    def label(self) -> str:
        """Return the place in words."""
        if not self.page.entries:
            what = f"no key begins with {self.prefix!r}" if self.prefix else "there are no keys"
            return what if self.number == 1 else f"page {self.number}: nothing more"
        more = " →" if self.page.after is not None else ", the end"
        return f"page {self.number}: {len(self.page.entries)} keys{more}"
