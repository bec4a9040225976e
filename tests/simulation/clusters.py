"""Simulated clusters of real nodes: how they are started, and when they are whole.

It owns the forms of a cluster; what clients do with it stands in `workloads.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from limedb.core.layout import Layout
from limedb.core.ring import token_of
from limedb.core.topology import Phase, Topology
from tests.scenarios.history import Ledger
from tests.simulation.node import SimNode
from tests.simulation.program import EngineProgram, stored
from tests.simulation.sim import Sim, url_of
from tests.simulation.workloads import wait_until

FORMED_SECONDS = 90.0  # a network where a third of the messages takes a second needs some


@dataclass(frozen=True, slots=True)
class Form:
    """How a cluster is laid out. nodes: at its start; smallest: members that changes leave; factor:
    REPLICATION_FACTOR; zones: how many, 0: nodes name none.
    """

    nodes: int = 5
    smallest: int = 3
    factor: int = 3
    zones: int = 0

    def zone(self, i: int) -> str:
        """The zone of a node by its number."""
        return f"z{i % self.zones}" if self.zones else ""


USUAL = Form()


def form_of(sim: Sim, nodes: int = 5) -> Form:
    """Two seeds in three have a usual cluster, of `nodes` nodes at first, the third any other."""
    if sim.seed % 3 != 2:
        return Form(nodes)
    rng = sim.rng("form")
    factor = rng.choice([1, 2, 3, 3, 3, 5])
    return Form(rng.randint(1, 6), rng.choice([1, 2, 3]), factor, rng.choice([0, 0, 2, 3]))


async def start_cluster(sim: Sim, form: Form = USUAL, *, ahead_ms: float = 0.0, **settings: Any) -> None:
    """Start nodes that know each other's names, and wait until they are one cluster. ahead_ms: of true time,
    by which all their clocks are ahead.
    """
    build = partial(EngineProgram, replication_factor=form.factor, **settings)
    seeds = tuple(url_of(i) for i in range(form.nodes))
    for i in range(form.nodes):
        sim.add(i, build, seeds, form.zone(i))
    skew = sim.rng("clocks")
    for node in sim.nodes.values():
        node.clock.offset_ms = ahead_ms + skew.uniform(-150, 150)
        node.clock.drift = skew.uniform(-1e-4, 1e-4)
        node.start()
    await wait_formed(sim, sim.nodes)


async def wait_formed(sim: Sim, urls: Iterable[str], limit: float = FORMED_SECONDS) -> None:
    """Wait until the nodes that run agree on one steady topology, of these nodes. AssertionError."""
    wanted = sorted(urls)
    await wait_until(f"a steady cluster of {', '.join(wanted)}", lambda: is_formed(sim, wanted), limit)


def is_formed(sim: Sim, urls: list[str]) -> bool:
    """Whether these nodes agree on one steady topology that has them all, and nobody else."""
    known = [topology_of(sim.nodes[url]) for url in urls if url in sim.nodes]
    first = known[0] if known else None
    return (
        first is not None
        and len(known) == len(urls)
        and all(topology == first for topology in known)
        and first.phase is Phase.STEADY
        and not first.writes_suspended
        and sorted(member.url for member in first.members) == urls
    )


def topology_of(node: SimNode) -> Topology | None:
    """The newest topology that a node knows, None while it is down."""
    program: Any = node.program
    return program.engine.topology_store.topology if program is not None else None


def serves(node: SimNode) -> bool:
    """Whether a node takes requests."""
    program: Any = node.program
    return program is not None and not program.engine.problem


def is_owner(node: SimNode) -> bool:
    """Whether a node is a member for all that it knows, and nothing changes."""
    topology = topology_of(node)
    return topology is not None and topology.phase is Phase.STEADY and topology.at(node.url) is not None


def check_replicated(sim: Sim, ledger: Ledger, node_url: str = "") -> None:
    """Each key that was acknowledged and can't have changed since is on all its replicas. node_url: of the
    only one to look at; empty: all. AssertionError.
    """
    topology = next(known for node in sim.up if (known := topology_of(node)) is not None)
    layout = Layout(topology)
    lacking = []
    for key, kept in ledger.keys.items():
        if kept.unknown or kept.values == {None}:
            continue
        for url in layout.of(token_of(key)).natural:
            if url != (node_url or url):
                continue
            record = stored(sim.nodes[url]).get(key)
            if record is None or record.value not in kept.values:
                lacking.append(f"{url} lacks {key}")
    assert not lacking, "\n".join([f"{len(lacking)} replicas lack keys:", *lacking[:20]])


def check_owned(sim: Sim) -> None:
    """No node holds what it doesn't own. AssertionError."""
    foreign = []
    for node in sim.up:
        topology = topology_of(node)
        assert topology is not None
        layout = Layout(topology)
        foreign += [
            f"{node.url} holds {key}" for key in stored(node) if node.url not in layout.of_key(key).write_set
        ]
    assert not foreign, "\n".join([f"{len(foreign)} records are held by others than owners:", *foreign[:20]])


def check_purged(sim: Sim) -> None:
    """No tombstone and nothing expired is left. AssertionError."""
    left = [
        f"{node.url} holds {record}"
        for node in sim.up
        for record in stored(node).values()
        if not record.is_live(node.clock.wall_ms())
    ]
    assert not left, "\n".join([f"{len(left)} records should be purged:", *left[:20]])
