"""The screen as a whole: its panes and keys, and how samples reach the panes.

It owns the task that follows the cluster. It must never call the cluster except through the session.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import DataTable, Footer, Static, TabbedContent, TabPane

from limedb.core.quorum import Level
from limedb.core.visible import visible
from limedb.errors import ConditionFailedError, LimeDBError, brief
from limedb.tls.target import Target
from limedb.tui import gossip, ring
from limedb.tui.cluster import Cluster
from limedb.tui.data_pane import DataPane
from limedb.tui.dialogs import DeleteDialog, KeyDialog, SetDialog
from limedb.tui.drafts import Draft, Present, draft_of
from limedb.tui.figures import Cell, Line, short
from limedb.tui.help import HelpDialog
from limedb.tui.panes import EventsPane, LinesPane, NodesTable
from limedb.tui.session import TuiSession
from limedb.tui.themes import DARK, LIGHT, content

BAR = 16
"""Characters of a change's progress bar."""


class LimeApp(App[None]):
    """The terminal UI of the cluster behind target, "host:port,host:port". seconds: the time for an answer.
    light: begin with the light theme. clock: gives the time of events. InvalidRequestError: target is not a
    list of addresses.
    """

    TITLE = "LimeDB"
    CSS_PATH = "limedb.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("g", "get", "Get"),
        Binding("s", "set", "Set"),
        Binding("e", "edit", "Edit"),
        Binding("d", "delete", "Delete"),
        Binding("c", "reconnect", "Continue here"),
        Binding("1", "show('cluster')", "Cluster", show=False),
        Binding("2", "show('data')", "Data", show=False),
        Binding("t", "theme", "Theme", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self,
        target: Target | str,
        seconds: float,
        *,
        light: bool = False,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        super().__init__()
        self._session = TuiSession(target, seconds)
        self._clock = clock
        self._level: Level | None = None  # the one chosen last
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = (LIGHT if light else DARK).name
        self.cluster = Cluster(str(target))

    def compose(self) -> ComposeResult:
        """Yield a headline, two tabs, and the keys."""
        yield Static(id="headline")
        yield Static(id="progress")
        yield Static(id="silence")
        with TabbedContent(initial="cluster"):
            with TabPane("Cluster", id="cluster"):
                yield NodesTable()
                with Horizontal(id="middle"):
                    yield LinesPane("Owns: share of all keys", "ring")
                    yield LinesPane("Gossip", "gossip")
                yield EventsPane("Events", "events")
            with TabPane("Data", id="data"):
                yield DataPane(self._session)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to follow the cluster."""
        self.theme_changed_signal.subscribe(self, lambda _: self._show())
        self.query_one(NodesTable).focus()
        self._show()
        self._follow()

    async def on_unmount(self) -> None:
        """Close all connections."""
        await self._session.close()

    # --- the cluster

    @work(group="follow")
    async def _follow(self) -> None:
        async for news in self._session.follow():
            self.cluster.take(news, self._clock())
            self._show()
            self.refresh_bindings()
            self._ask_gossip()

    def _show(self) -> None:
        """Show the current state of the cluster."""
        other = Cell(" · another cluster: c continues here", "bad")
        headline = (*self.cluster.headline(), *((other,) if self._session.other_cluster else ()))
        self.query_one("#headline", Static).update(content([headline]))
        self._show_line("#progress", self.cluster.progress(BAR))
        self._show_line("#silence", self.cluster.silence())
        self.query_one(EventsPane).show_events(self.cluster.events)
        if nodes := self.cluster.nodes():
            self.query_one(NodesTable).show(nodes, self.cluster.histories())
            pane = self.query_one("#ring", LinesPane)
            pane.show(ring.bars(nodes, pane.room))

    def _show_line(self, name: str, line: Line | None) -> None:
        """Show a line that isn't always there."""
        widget = self.query_one(name, Static)
        widget.display = line is not None
        widget.update(content([line or ()]))

    @on(DataTable.RowHighlighted, "#nodes")
    @work(group="gossip", exclusive=True)
    async def _ask_gossip(self) -> None:
        """Ask the node under the cursor for its gossip at each sample, since there is no stream of it."""
        url, pane = self.query_one(NodesTable).selected, self.query_one("#gossip", LinesPane)
        if not url:
            return
        try:
            lines = gossip.lines(await self._session.gossip(url), pane.room)
        except LimeDBError as error:
            lines = [(Cell("it does not answer", "bad"),), (Cell(visible(str(error)), "dim"),)]
        pane.border_title = Content(f"Gossip of {short(url)}")
        pane.show(lines)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to continue only where another cluster answers."""
        return action != "reconnect" or bool(self._session.other_cluster)

    async def action_reconnect(self) -> None:
        """Read and write the cluster that answers now."""
        await self._session.reconnect()
        self._show()
        self.refresh_bindings()
        self.query_one(DataPane).action_reload()

    # --- the data

    def action_show(self, tab: str) -> None:
        """Show a tab, and give its first pane the focus."""
        self._open(tab, "#nodes" if tab == "cluster" else "#keys")

    def action_search(self) -> None:
        """Search keys by prefix."""
        self._open("data", "#prefix")

    def _open(self, tab: str, pane: str) -> None:
        self.query_one(TabbedContent).active = tab
        first = self.query_one(pane)
        first.focus()
        self.call_after_refresh(first.focus)  # a hidden widget can't take the focus

    @work
    async def action_get(self) -> None:
        """Ask for a key, and show its value."""
        asked = await self.push_screen_wait(KeyDialog(self.query_one(DataPane).key, self._level))
        if asked is not None:
            self._level = asked.level
            self.action_show("data")
            self.query_one(DataPane).read(asked.key, asked.level)

    def action_set(self) -> None:
        """Ask for a key and a value, and store it."""
        self._write(Draft(level=self._level))

    def action_edit(self) -> None:
        """Ask for a new value of the key on the screen, beginning with its present one."""
        data = self.query_one(DataPane)
        draft = draft_of(data.present, self._level)
        if not data.key:
            self._say("no key is chosen: search one, or get one")
        elif draft is None:
            self._say("its value is too large to edit here")
        else:
            self._write(draft)

    @work
    async def _write(self, draft: Draft) -> None:
        """Ask, store and show; ask again if the value can't be stored."""
        data, problem = self.query_one(DataPane), ""
        while (typed := await self.push_screen_wait(SetDialog(draft, problem))) is not None:
            draft, self._level = typed, typed.level
            try:
                receipt = await self._session.set(draft)
            except ConditionFailedError as error:
                draft, problem = _after(draft, error)
                continue
            except LimeDBError as error:
                problem = visible(str(error))
                continue
            name = visible(brief(draft.key))
            self._say(f"{name}: {receipt.acked} of {receipt.replicas} replicas have it")
            self.action_show("data")
            data.browse(data.place, draft.key)
            data.read(draft.key)
            return

    @work
    async def action_delete(self) -> None:
        """Delete the key on the screen, once the user has confirmed it."""
        data = self.query_one(DataPane)
        if not data.key:
            self._say("no key is chosen: search one, or get one")
            return
        present = data.present
        asked = await self.push_screen_wait(DeleteDialog(present.key, self._level))
        if asked is None:
            return
        self._level = asked.level
        try:
            deleted = await self._session.delete(*asked, present)
        except ConditionFailedError:
            self.notify("somebody changed it meanwhile: it was not deleted", severity="error", markup=False)
            data.read(present.key)
            return
        except LimeDBError as error:
            self._complain(error)
            return
        self._say(f"{visible(brief(asked.key))} {'is deleted' if deleted else 'had no value'}")
        data.browse(data.place)

    def _say(self, text: str) -> None:
        self.notify(text, markup=False)

    def _complain(self, error: LimeDBError) -> None:
        self.notify(visible(str(error)), severity="error", markup=False)

    # --- the rest

    def action_theme(self) -> None:
        """Switch between dark and light."""
        self.theme = (LIGHT if self.current_theme.dark else DARK).name

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpDialog())


def _after(draft: Draft, failed: ConditionFailedError) -> tuple[Draft, str]:
    """Return a draft whose key has changed since it was opened, to replace what is there now."""
    now = Present(draft.key, failed.value, failed.version if failed.exists else 0)
    if not failed.exists:
        return replace(draft, present=now), "it has expired or was deleted meanwhile: ctrl+s stores it again"
    return replace(draft, present=now), "somebody changed it meanwhile: ctrl+s stores yours over it"
