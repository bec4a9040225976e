"""What goes wrong in a simulation, one thing at a time.

It owns faults and their end. Whatever it breaks it mends, at the latest by `mend`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from limedb.core.hlc import wall_ms_of
from tests.simulation.node import SimNode
from tests.simulation.sim import Sim

USUAL = ("crash", "stop", "partition", "one_way", "isolate", "clock", "disk", "loss")
"""Kinds of faults."""
JUMP_MS = 600_000.0
ROT_AFTER_MS = 8000
"""Beyond what a client's write may be on its way."""
NOTICED_SECONDS = 8.0  # some intervals of gossip, in which each node meets each

Fault = Callable[[float], Awaitable[None]]


class Nemesis:
    """Breaks something, waits, mends it, again and again while `run` runs.

    pause, length: the least and most seconds between faults, and of a fault. skew_ms: how far a clock jumps.
    name: of its random numbers; two of them break two things at a time.
    """

    def __init__(
        self,
        sim: Sim,
        kinds: Sequence[str] = USUAL,
        *,
        pause: tuple[float, float] = (0.2, 3.0),
        length: tuple[float, float] = (0.1, 6.0),
        skew_ms: float = 400.0,
        name: str = "nemesis",
    ) -> None:
        self._sim, self._rng = sim, sim.rng(name)
        self._faults: list[Fault] = [getattr(self, f"_{kind}") for kind in kinds]
        self._pause, self._length, self._skew_ms = pause, length, skew_ms
        self._usual = sim.network.weather
        self._crashed: set[str] = set()
        self._usual_delay = min(node.disk.delay for node in sim.nodes.values())
        self.faults = self.rotted = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(*self._pause))
            fault = self._rng.choice(self._faults)
            self.faults += 1
            await fault(self._rng.uniform(*self._length))

    def mend(self) -> None:
        """End all that it did wrong: its victims run, the network is whole, disks are fast."""
        self._sim.trace.add("mend")
        self._sim.network.cut.clear()
        self._sim.network.astray.clear()
        self._sim.network.weather = self._usual
        for url in sorted(self._sim.nodes):
            node = self._sim.nodes[url]
            node.disk.delay = self._usual_delay
            if abs(node.clock.offset_ms) >= JUMP_MS:
                node.clock.offset_ms = 0.0
            node.resume()
            if url in self._crashed and not node.is_up and not node.is_held_down:
                node.start()

    def _victim(self) -> SimNode | None:
        return self._rng.choice(self._sim.up) if self._sim.up else None

    async def _crash(self, length: float) -> None:
        if (node := self._victim()) is None:
            return
        self._crashed.add(node.url)
        await node.crash()
        await asyncio.sleep(length)
        self._crashed.discard(node.url)
        if not node.is_up and not node.is_held_down and node.url in self._sim.nodes:
            node.start()

    async def _stop(self, length: float) -> None:
        if (node := self._victim()) is not None:
            node.stop()
            await asyncio.sleep(length)
            node.resume()

    async def _partition(self, length: float) -> None:
        urls = sorted(self._sim.nodes)
        self._rng.shuffle(urls)
        at = self._rng.randint(1, max(1, len(urls) - 1))
        await self._cut({(a, b) for a in urls[:at] for b in urls[at:]}, length, both=True)

    async def _one_way(self, length: float) -> None:
        if (node := self._victim()) is not None:
            others = [url for url in self._sim.nodes if url != node.url and self._rng.random() < 0.7]
            pairs = {(node.url, url) for url in others}
            await self._cut(pairs if self._rng.random() < 0.5 else {(b, a) for a, b in pairs}, length)

    async def _isolate(self, length: float) -> None:
        if (node := self._victim()) is not None:
            await self._cut(
                {(node.url, url) for url in self._sim.nodes if url != node.url}, length, both=True
            )

    async def _astray(self, length: float) -> None:
        """The address of a node leads to another one for a while."""
        urls = sorted(self._sim.nodes)
        if len(urls) < 2:
            return
        meant, found = self._rng.sample(urls, 2)
        self._sim.trace.add(f"{found} answers at the address of {meant}")
        self._sim.network.astray[meant] = found
        await asyncio.sleep(length)
        self._sim.network.astray.pop(meant, None)
        self._sim.trace.add("heal")

    async def _cut(self, pairs: set[tuple[str, str]], length: float, both: bool = False) -> None:
        pairs |= {(b, a) for a, b in pairs} if both else set()
        self._sim.trace.add(f"cut {' '.join(sorted(f'{a}>{b}' for a, b in pairs))}")
        self._sim.network.cut |= pairs
        await asyncio.sleep(length)
        self._sim.network.cut -= pairs
        self._sim.trace.add("heal")

    async def _clock(self, length: float) -> None:
        if (node := self._victim()) is not None:
            node.clock.offset_ms = self._rng.uniform(-self._skew_ms, self._skew_ms)
            self._sim.trace.add(f"clock of {node.url} {node.clock.offset_ms:+.0f} ms")
            await asyncio.sleep(length)

    async def _jump(self, length: float) -> None:
        """A clock is off by minutes for a while; the node restarts with it at times."""
        if (node := self._victim()) is None:
            return
        usual, node.clock.offset_ms = node.clock.offset_ms, self._rng.choice([-1, 1]) * JUMP_MS
        self._sim.trace.add(f"clock of {node.url} jumps by {node.clock.offset_ms:+.0f} ms")
        if self._rng.random() < 0.5:
            await self._crash(self._rng.uniform(0, length))
        await asyncio.sleep(length)
        node.clock.offset_ms = usual
        self._sim.trace.add(f"clock of {node.url} is set right")
        await asyncio.sleep(NOTICED_SECONDS)  # one clock is wrong at a time, for all that the others know

    async def _disk(self, length: float) -> None:
        if (node := self._victim()) is not None:
            self._sim.trace.add(f"slow disk {node.url}")
            node.disk.delay = self._rng.uniform(0.2, 4.0)
            await asyncio.sleep(length)
            node.disk.delay = self._usual_delay

    async def _rot(self, length: float) -> None:
        """Records and entries of the index rot on the disk of one node, up or down; on no other one before
        all of it is mended. What was written within the last seconds, and may be on its way to others, is
        left alone.
        """
        nodes = [self._sim.nodes[url] for url in sorted(self._sim.nodes)]
        rotten = [node for node in nodes if node.disk.is_rotten]
        node = rotten[0] if rotten else self._rng.choice(nodes)
        latest = node.clock.wall_ms() - ROT_AFTER_MS
        old = sorted(key for key, r in node.disk.records.items() if 0 < wall_ms_of(r.version) < latest)
        for key in self._rng.sample(old, min(len(old), self._rng.randint(1, 8))):
            if self._rng.random() < 0.2:
                node.disk.rotten_index.add(key)
            elif key not in node.disk.rot:
                node.disk.rot_record(key)
            self._sim.trace.add(f"rot {node.url} {key}")
            self.rotted += 1
        await asyncio.sleep(length / 10)

    async def _loss(self, length: float) -> None:
        network = self._sim.network
        lost = self._rng.uniform(0.02, 0.3)
        self._sim.trace.add(f"loss {lost:.2f}")
        network.weather = replace(self._usual, lost=lost)
        await asyncio.sleep(length)
        network.weather = self._usual
