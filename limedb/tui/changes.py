"""The changes from one sample to the next, in words. It must never remember anything."""

from collections.abc import Iterator
from typing import NamedTuple

from limedb.operator.console_values import NodeRow, Sample
from limedb.tui.figures import Tone, seconds, short


class NodeEvent(NamedTuple):
    """An event, and its tone."""

    text: str
    tone: Tone = ""


def changes(before: Sample | None, after: Sample) -> Iterator[NodeEvent]:
    """Yield the events between two samples; for the first one, a greeting."""
    known_problem = "" if before is None else before.problem
    if before is None or before.cluster_id != after.cluster_id:
        yield NodeEvent(_greeting(after), "good")
        before = before or after
    elif before.node_url != after.node_url:
        yield NodeEvent(f"now following {short(after.node_url)}", "accent")
    yield from _of_nodes(before, after)
    yield from _of_topology(before, after)
    if after.problem and after.problem != known_problem:
        yield NodeEvent(f"{short(after.node_url)} takes no requests: {after.problem}", "bad")


def _greeting(sample: Sample) -> str:
    cluster = f"cluster {sample.cluster_id}, epoch {sample.epoch}" if sample.epoch else "no cluster yet"
    return f"{cluster}: {len(sample.nodes)} nodes, seen by {short(sample.node_url)}"


def _of_nodes(before: Sample, after: Sample) -> Iterator[NodeEvent]:
    known = before.by_url
    for node in after.nodes:
        if node.url in known:
            yield from _of_node(known[node.url], node)
        else:
            yield NodeEvent(f"{short(node.url)} appeared", "good")
    for url in known:
        if url not in after.by_url:
            yield NodeEvent(f"{short(url)} is gone", "warn")


def _of_node(before: NodeRow, after: NodeRow) -> Iterator[NodeEvent]:
    name = short(after.url)
    if before.generation and after.generation > before.generation:
        yield NodeEvent(f"{name} was restarted", "accent")
    if after.condition != before.condition:
        yield _of_condition(name, after)
    if after.standing != before.standing:
        standing = {"normal": "is a member", "": "is no longer a member"}
        yield NodeEvent(f"{name} {standing.get(after.standing, f'is {after.standing}')}", "accent")


def _of_condition(name: str, node: NodeRow) -> NodeEvent:
    silent = f"no heartbeat for {seconds(node.lag)}"
    if node.condition == "active":
        return NodeEvent(f"{name} is active again", "good")
    return NodeEvent(f"{name} is {node.condition}: {silent}", "warn" if node.condition == "stale" else "bad")


def _of_topology(before: Sample, after: Sample) -> Iterator[NodeEvent]:
    began, ended = after.change, before.change
    if ended is not None and (began is None or began.what != ended.what):
        yield NodeEvent(f"change ended: {ended.what}", "good")
    if began is not None and (ended is None or began.what != ended.what):
        yield NodeEvent(f"change began: {began.what}", "accent")
    if before.cluster_id == after.cluster_id and after.epoch > before.epoch:
        yield NodeEvent(f"epoch {before.epoch} → {after.epoch} ({after.phase})", "accent")
