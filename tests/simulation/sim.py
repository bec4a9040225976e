"""A simulated cluster: nodes, network, disks and clocks of one seed.

It owns the seed and everything that follows from it, and what was found wrong on the way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, TypeVar

from limedb.core.topology import Fence, Topology
from tests.simulation.loop import SimLoop, run_seeded
from tests.simulation.network import SimNetwork, Weather
from tests.simulation.node import Build, SimNode
from tests.simulation.trace import Trace

T = TypeVar("T")


class SimulationError(AssertionError):
    """A seed that fails; the text has the seed and the last events. steps: callbacks that ran until then."""

    def __init__(self, text: str, steps: int = 0) -> None:
        super().__init__(text)
        self.steps = steps


class Sim:
    """A cluster that runs. Leave it by `end`. bugs: what no node should ever have raised. steps: callbacks
    that have run when it has ended.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.trace = Trace()
        self.bugs: list[str] = []
        self.steps = 0
        self.network = SimNetwork(self.rng("network"), self.trace, self.bug)
        self.network.weather = Weather(**self._draw_weather())
        self.nodes: dict[str, SimNode] = {}
        self.topologies: dict[Fence, Topology] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def _draw_weather(self) -> dict[str, float]:
        """Networks differ, from fast and whole ones to those where a third of all messages is slow."""
        rng = self.rng("weather")
        return {
            "usual": rng.choice([0.001, 0.003, 0.03]),
            "slowest": rng.choice([0.05, 0.3, 1.5]),
            "slow": rng.choice([0.0, 0.01, 0.1, 0.3]),
            "lost": rng.choice([0.0, 0.0, 0.005]),
        }

    def rng(self, name: str) -> Random:
        """The random numbers of one purpose: another's use of theirs changes nothing here."""
        return Random(f"{self.seed} {name}")

    def add(self, i: int, build: Build, seeds: tuple[str, ...] = (), zone: str = "") -> SimNode:
        """A node, not started yet."""
        node = SimNode(self, url_of(i), build, seeds, zone)
        self.nodes[node.url] = self.network.hosts[node.url] = node
        return node

    def forget(self, url: str) -> None:
        """Let a node that has ended be no part of the simulation any more."""
        assert not self.nodes[url].is_up, f"{url} still runs"
        del self.nodes[url], self.network.hosts[url]

    @property
    def up(self) -> list[SimNode]:
        """The nodes that run, by URL."""
        return [self.nodes[url] for url in sorted(self.nodes) if self.nodes[url].is_up]

    def bug(self, where: str, error: BaseException) -> None:
        """An error that no node should raise."""
        self.trace.add(f"BUG {where}: {error!r}")
        self.bugs.append(f"{where}: {error!r}")

    def note_topology(self, url: str, topology: Topology) -> None:
        """A node knows this topology: no node ever knows another of the same epoch."""
        if topology.is_fresh:
            return
        known = self.topologies.setdefault(topology.fence, topology)
        self.trace.add(f"{url} knows {topology.cluster_id} {topology.epoch} {topology.phase}")
        if known != topology:
            self.bug(f"{url}, epoch {topology.epoch}", AssertionError(f"{topology} is not {known}"))

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something outside of all nodes, awaited at the end."""
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name, context=Context()))

    async def end(self) -> None:
        """Kill all nodes."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for node in self.up:
            await node.crash()


def url_of(i: int) -> str:
    """The URL of a node by its number."""
    return f"http://node{i}:8484"


def run_sim(
    seed: int, scenario: Callable[[Sim], Awaitable[T]], *, most_steps: int | None = None
) -> tuple[T, Sim]:
    """Run a scenario on a cluster of a seed; what it returned, and the cluster afterwards.

    most_steps: callbacks after which the run is given up. SimulationError: it failed or was given up, or a
    node raised what it shouldn't.
    """
    sims: list[Sim] = []

    async def run() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert isinstance(loop, SimLoop)
        assert task is not None
        if most_steps is not None:
            loop.call_at_step(most_steps, task.cancel)
        sim = Sim(seed)
        sims.append(sim)
        try:
            return await scenario(sim)
        finally:
            await sim.end()
            sim.steps = loop.steps

    try:
        result = run_seeded(seed, run)
    except asyncio.CancelledError:
        raise _failure(seed, sims, f"given up after {most_steps} steps") from None
    except Exception as error:
        raise _failure(seed, sims, f"{type(error).__name__}: {error}") from error
    if sims[0].bugs:
        raise _failure(seed, sims, "\n".join(sims[0].bugs))
    return result, sims[0]


def _failure(seed: int, sims: list[Sim], what: str) -> SimulationError:
    tail, steps = (sims[0].trace.tail(), sims[0].steps) if sims else ("", 0)
    return SimulationError(f"seed {seed} fails (again with: SIM_SEED={seed} make sim)\n{tail}\n{what}", steps)
