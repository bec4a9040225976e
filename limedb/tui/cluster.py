"""The screen's model of the cluster: the last sample, recent rates, and events.

Samples in, headline and events out. It must never read a clock or call the cluster.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from limedb.operator.console_values import ChangeSample, Lost, Sample
from limedb.tui.changes import NodeEvent, changes
from limedb.tui.figures import Cell, Line, Tone, bar, count, short

MAX_EVENTS = 500
MAX_RATES = 120
"""The number of each node's rates that it remembers: about two minutes."""


class Event(NamedTuple):
    """An event at a time of the screen's clock."""

    at: datetime
    text: str
    tone: Tone = ""


class Cluster:
    """Takes the samples of a follower. sample: the last one; lost: why there is none at the moment.

    events: the newest first. rates: each node's requests a second, the newest last, by URL.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.sample: Sample | None = None
        self.lost: Lost | None = None
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.rates: dict[str, deque[float]] = {}
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
        live = (Cell("● ", "good"),) if self.lost is None else (Cell("○ reconnecting ", "bad"),)
        return (*live, *_members(sample), *_topology(sample), Cell(f" · via {short(sample.node_url)}", "dim"))

    def progress(self, width: int) -> Line | None:
        """Return the change under way with a bar of that width; None: there is none."""
        change = self.sample.change if self.sample else None
        return None if change is None else _progress(change, width)

    def histories(self) -> Mapping[str, list[float]]:
        """Return the rates of each node, the newest last, by URL."""
        return {url: list(rates) for url, rates in self.rates.items()}

    def _take_sample(self, sample: Sample, at: datetime) -> None:
        if self.lost is not None and self.sample is not None and sample.node_url == self.sample.node_url:
            self._note(NodeEvent(f"{short(sample.node_url)} answers again", "good"), at)
        for change in changes(self.sample, sample):
            self._note(change, at)
        self.sample, self.lost = sample, None
        self._silent.clear()
        self.rates = {node.url: self.rates.get(node.url, deque(maxlen=MAX_RATES)) for node in sample.nodes}
        for node in sample.nodes:
            load = None if node.status == "dead" else node.load
            self.rates[node.url].append(load.requests_per_second if load else 0.0)

    def _take_loss(self, lost: Lost, at: datetime) -> None:
        """Note each address once, however often the follower tries it until there is a sample again."""
        self.lost = lost
        if lost.address not in self._silent:
            self._silent.add(lost.address)
            self._note(NodeEvent(f"lost {lost.address}: {lost.reason}; trying others", "bad"), at)

    def _note(self, change: NodeEvent, at: datetime) -> None:
        self.events.appendleft(Event(at, change.text, change.tone))


def _members(sample: Sample) -> Line:
    members = [node for node in sample.nodes if node.standing]
    live = sum(node.status == "active" for node in members)
    tone: Tone = "good" if live == len(members) else "bad" if 2 * live <= len(members) else "warn"
    return (Cell(f"{live}/{len(members)} nodes", tone),)


def _topology(sample: Sample) -> Line:
    if not sample.epoch:
        return (Cell(" · no cluster yet", "warn"),)
    steady: Tone = "" if sample.phase == "steady" else "accent"
    keys = sum(node.keys for node in sample.nodes)
    return (
        Cell(" · ", "dim"),
        Cell(f"epoch {sample.epoch} {sample.phase}", steady),
        Cell(f" · {count(keys)} records, {sample.replicas} replicas", "dim"),
    )


def _progress(change: ChangeSample, width: int) -> Line:
    share = change.done / change.spans if change.spans else 0.0
    figures = f" {change.done}/{change.spans} ranges, {count(change.keys)} keys, {count(change.rate)}/s"
    return (Cell(f"{change.what} ({change.phase}) "), Cell(bar(share, width), "accent"), Cell(figures, "dim"))
