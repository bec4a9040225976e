"""The screen's model of the cluster: the last sample, recent rates, and events.

Samples in, headline and events out. It must never read a clock or call the cluster.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from limedb.operator.console_values import ChangeSample, Lost, NodeRow, Sample
from limedb.operator.silence import no_data
from limedb.tui.changes import NodeEvent, changes
from limedb.tui.figures import Cell, Line, Tone, bar, count, short

MAX_EVENTS = 500
MAX_SILENT = 3
"""The number of silent nodes that are named."""
MAX_RATES = 120
"""The number of each node's rates that it remembers: about two minutes."""


class Event(NamedTuple):
    """An event at a time of the screen's clock."""

    at: datetime
    text: str
    tone: Tone = ""


class Cluster:
    """Takes the samples of a follower. sample: the last one, which came at `heard`; lost: why there is
    none at the moment.

    events: the newest first. rates: each node's requests a second, the newest last, by URL; None: unknown.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.sample: Sample | None = None
        self.heard: datetime | None = None
        self.lost: Lost | None = None
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.rates: dict[str, deque[float | None]] = {}
        self._silent: set[str] = set()

    def take(self, news: Sample | Lost, at: datetime) -> None:
        """Take news that arrived at a time."""
        if isinstance(news, Lost):
            self._take_loss(news, at)
        else:
            self._take_sample(news, at)

    def headline(self) -> Line:
        """Return the main facts: whether it is live, its cluster, its nodes, the node that it follows."""
        sample = self.sample
        if sample is None:
            trouble = f"{self.lost.address}: {self.lost.reason}; trying again" if self.lost else "connecting"
            return (
                Cell("○ ", "warn"),
                Cell(trouble if self.lost else f"{trouble} to {self._target}", "warn"),
            )
        if self.lost is not None:
            return (Cell(f"○ reconnecting · no data since {self.heard:%H:%M:%S}", "bad"), *_topology(sample))
        via = Cell(f" · via {short(sample.node_url)}", "dim")
        return (Cell("● ", "good"), *_members(sample), *_topology(sample), _records(sample), via)

    def nodes(self) -> tuple[NodeRow, ...]:
        """Return the nodes of the last sample; while it is old, their condition is unknown."""
        if self.sample is None:
            return ()
        if self.lost is None:
            return self.sample.nodes
        return tuple(replace(node, status="") for node in self.sample.nodes)

    def silence(self) -> Line | None:
        """Return which nodes send no figures, and since when; None: all do, or there is no sample now."""
        if self.sample is None or self.heard is None or self.lost is not None:
            return None
        now = self.heard.timestamp()
        silent = [f"{short(n.url)}: {no_data(now, n.lag)}" for n in self.sample.nodes if not n.is_known]
        more = f" and {len(silent) - MAX_SILENT} more" if len(silent) > MAX_SILENT else ""
        return (Cell("; ".join(silent[:MAX_SILENT]) + more, "warn"),) if silent else None

    def progress(self, width: int) -> Line | None:
        """Return the change under way with a bar of that width; None: there is none."""
        change = self.sample.change if self.sample else None
        return None if change is None else _progress(change, width)

    def histories(self) -> Mapping[str, list[float | None]]:
        """Return the rates of each node, the newest last, by URL."""
        return {url: list(rates) for url, rates in self.rates.items()}

    def _take_sample(self, sample: Sample, at: datetime) -> None:
        if self.lost is not None and self.sample is not None and sample.node_url == self.sample.node_url:
            self._note(NodeEvent(f"{short(sample.node_url)} answers again", "good"), at)
        for change in changes(self.sample, sample):
            self._note(change, at)
        self.sample, self.heard, self.lost = sample, at, None
        self._silent.clear()
        self.rates = {node.url: self.rates.get(node.url, deque(maxlen=MAX_RATES)) for node in sample.nodes}
        for node in sample.nodes:
            load = node.load if node.is_known else None
            self.rates[node.url].append(load.requests_per_second if load else None)

    def _take_loss(self, lost: Lost, at: datetime) -> None:
        """Note each address once, however often the follower tries it until there is a sample again."""
        self.lost = lost
        if lost.address not in self._silent:
            self._silent.add(lost.address)
            self._note(NodeEvent(f"lost {lost.address}: {lost.reason}; trying others", "bad"), at)

    def _note(self, change: NodeEvent, at: datetime) -> None:
        self.events.appendleft(Event(at, change.text, change.tone))


def _members(sample: Sample) -> Line:
    members = sample.members
    live = sum(node.condition == "active" for node in members)
    tone: Tone = "good" if live == len(members) else "bad" if 2 * live <= len(members) else "warn"
    return (Cell(f"{live}/{len(members)} nodes", tone),)


def _topology(sample: Sample) -> Line:
    if not sample.epoch:
        return (Cell(" · no cluster yet", "warn"),)
    steady: Tone = "" if sample.phase == "steady" else "accent"
    return Cell(" · ", "dim"), Cell(f"epoch {sample.epoch} {sample.phase}", steady)


def _records(sample: Sample) -> Cell:
    """How many records the members hold; a + says that some members send no figures."""
    known = [node for node in sample.members if node.is_known]
    keys = count(sum(node.keys for node in known)) + "+" * (len(known) < len(sample.members))
    return Cell(f" · {keys} records, {sample.replicas} replicas" if sample.epoch else "", "dim")


def _progress(change: ChangeSample, width: int) -> Line:
    share = change.done / change.spans if change.spans else 0.0
    figures = f" {change.done}/{change.spans} ranges, {count(change.keys)} keys, {count(change.rate)}/s"
    return (Cell(f"{change.what} ({change.phase}) "), Cell(bar(share, width), "accent"), Cell(figures, "dim"))
