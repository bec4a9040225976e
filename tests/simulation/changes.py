"""Changes of the topology in a simulation: nodes join, leave, die, come back and lose their disks.

It owns which nodes there should be. Each change is seen to its end before the next one begins.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from limedb.core.topology import Phase
from limedb.errors import LimeDBError
from tests.simulation.clusters import USUAL, Form, topology_of, wait_formed
from tests.simulation.node import Build, SimNode
from tests.simulation.sim import Sim

CHANGE_SECONDS = 240.0  # for a change to end, whatever goes wrong beside it
# The same where faults follow one another without a pause: a change then takes 15 s on average, 1 in 100
# takes over 115 s, and about 1 in 500 over 240 s (700 seeds).
BESET_SECONDS = 600.0
MOURNERS = 3  # members that must be there when one of them is lost for good: the rest are a majority

Change = Callable[[], Awaitable[object]]


class Director:
    """Has members come and go. build: makes new nodes. form: what is kept. members: the URLs that there
    should be. kinds: what it chooses from. patience: seconds for a change to end.
    """

    def __init__(self, sim: Sim, build: Build, form: Form = USUAL, patience: float = CHANGE_SECONDS) -> None:
        self._patience = patience
        self._sim, self._build, self._form, self._rng = sim, build, form, sim.rng("director")
        self.members = set(sim.nodes)
        self._count = len(sim.nodes)
        self.kinds: list[Change] = [self.join, self.leave, self.die, self.lose_disk, self.join_and_cancel]
        if form.factor == 1:  # whose loss would be the loss of its keys
            self.kinds = [self.join, self.leave, self.join_and_cancel]
        self.done: list[str] = []

    async def run(self, changes: int) -> None:
        """Make that many changes, one after another."""
        for _ in range(changes):
            await asyncio.sleep(self._rng.uniform(0, 2))
            change = self._rng.choice(self.kinds)
            self._sim.trace.add(f"change {change.__name__}")
            await change()
            await self._wait_formed()
            self.done.append(change.__name__)

    async def join(self) -> SimNode:
        return self._new()

    async def leave(self, node: SimNode | None = None) -> None:
        if len(self.members) > self._form.smallest:
            node = node or self._pick()
            self.members.discard(node.url)
            await self._persist(
                lambda topology_manager: topology_manager.decommission(node.url, False), self._is_out(node)
            )
            await self._wait_formed()
            await self._end(node)

    async def die(self) -> None:
        if len(self.members) <= max(self._form.smallest, MOURNERS - 1):
            return
        node = self._pick()
        self.members.discard(node.url)
        if node.is_up:
            await node.crash()
        self._sim.trace.add(f"{node.url} stays down")
        node.is_held_down = True
        await self._wait_formed()
        node.is_held_down = False
        if self._rng.random() < 0.5:  # it comes back, is told, and joins as a new node
            self.members.add(node.url)
            if not node.is_up:
                node.start()
        else:
            self._sim.forget(node.url)

    async def lose_disk(self) -> None:
        if len(self.members) < MOURNERS:
            return
        node = self._pick()
        if node.is_up:
            await node.crash()
        node.disk.wipe()
        self._sim.trace.add(f"{node.url} loses its disk")
        await asyncio.sleep(self._rng.uniform(0, 2))
        if not node.is_up:
            node.start()

    async def set_aside(self) -> None:
        """A file of a node is damaged as a whole: it sets its data aside, and joins its cluster anew."""
        node = self._pick()
        if node.is_up:
            await node.crash()
        await asyncio.sleep(self._rng.uniform(0, 2))
        if not node.is_up:
            node.set_data_aside()
            node.start()

    async def join_and_cancel(self) -> None:
        node = self._new()
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while not any(self._streams(other) for other in self._sim.up):  # noqa: ASYNC110 (virtual time)
                    await asyncio.sleep(self._rng.uniform(0, 0.1))
        with suppress(LimeDBError, ConnectionError, TimeoutError):  # it may be too late
            await self._ask(self._pick(but=node), lambda topology_manager: topology_manager.cancel(False))
        await asyncio.sleep(2.0)
        if self._departed(node) == "cancelled":
            self.members.discard(node.url)
            await self._end(node)
        elif node.is_up and self._rng.random() < 0.5:
            await node.crash()  # the change goes on, or is given up, without it
            await asyncio.sleep(self._rng.uniform(0, 3))
            if not node.is_up:
                node.start()

    # --- how

    def _new(self) -> SimNode:
        seeds = tuple(sorted(self.members))
        node = self._sim.add(self._count, self._build, seeds, self._form.zone(self._count))
        self._count += 1
        self.members.add(node.url)
        node.start()
        return node

    def _pick(self, but: SimNode | None = None) -> SimNode:
        return self._sim.nodes[self._rng.choice(sorted(self.members - ({but.url} if but else set())))]

    async def _persist(self, ask: Callable[[Any], Awaitable[object]], done: Callable[[], bool]) -> None:
        """Ask one node after another until it is done."""
        end = asyncio.get_running_loop().time() + self._patience
        while not done():
            assert asyncio.get_running_loop().time() < end, "a change that nobody could begin"
            with suppress(LimeDBError, ConnectionError, TimeoutError):
                await self._ask(self._pick(), ask)
            await asyncio.sleep(1.0)

    async def _ask(self, node: SimNode, ask: Callable[[Any], Awaitable[object]]) -> None:
        async def do(program: Any) -> None:
            await ask(program.engine.topology_manager)

        await node.ask(do, 10.0)

    def _is_out(self, node: SimNode) -> Callable[[], bool]:
        """Whether some member knows a topology without the node, or in which it is on its way out."""

        def is_out() -> bool:
            known = [topology_of(self._sim.nodes[url]) for url in self.members]
            newest = max((t for t in known if t is not None), key=lambda t: t.epoch, default=None)
            return newest is not None and node.url not in {m.url for m in newest.new_owners}

        return is_out

    @staticmethod
    def _streams(node: SimNode) -> bool:
        topology = topology_of(node)
        return topology is not None and topology.phase is Phase.STREAMING

    @staticmethod
    def _departed(node: SimNode) -> str:
        program: Any = node.program
        return str(program.engine.topology_manager.departed) if program is not None else ""

    async def _end(self, node: SimNode) -> None:
        if node.is_up:
            await node.crash()
        self._sim.forget(node.url)

    async def _wait_formed(self) -> None:
        keeper = asyncio.create_task(self._restart_cancelled(), name="restarts")
        try:
            await wait_formed(self._sim, self.members, self._patience)
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _restart_cancelled(self) -> None:
        """A node whose join was cancelled, though it should be in, is restarted, as it is told to be."""
        while True:
            await asyncio.sleep(1.0)
            for url in sorted(self.members):
                node = self._sim.nodes[url]
                if node.is_up and self._departed(node) == "cancelled":
                    await node.crash()
                    node.start()
