"""A simulated node: real code behind simulated ports, which crashes, stands still and comes back.

It owns what lives as long as the process (program, ports) and what outlives it (disk, clock).
"""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from limedb.core.quorum import Level
from limedb.ports import HintLog, OperationLog, Replica, Saved
from limedb.storage import node_damage
from tests.simulation.clock import SimClock
from tests.simulation.disk import SimDisk, SimNodeFile, SimStore, SimTimeMark
from tests.simulation.loop import Process
from tests.simulation.transports import SimGossip, SimReplicas, SimTopologyTransport

if TYPE_CHECKING:
    from tests.simulation.sim import Sim

T = TypeVar("T")
Value = str | bytes | None

HINTS_LOST = 0.3  # the share of crashes in which the hints are lost
END_LOOKS = 400  # for a moment in which no write runs


class Program(Protocol):
    """What runs on a node. The network calls `replica` and, where there is such a thing, `topology`, `on_syn`
    and `on_ack2`; clients call `read` and `write`.
    """

    @property
    def replica(self) -> Replica:
        """The own replica, for the requests of peers."""

    def check_meant(self, url: str) -> None:
        """WrongNodeError: it is not the node that a call is meant for, by its URL."""

    async def run(self) -> None:
        """Run until cancelled."""

    async def read(self, key: str, level: Level, deadline: float) -> Value:
        """The value of a key; None: it has none. LimeDBError."""

    async def write(self, key: str, value: Value, level: Level, deadline: float) -> int:
        """Store, or delete (None); the version. LimeDBError."""


Build = Callable[["SimNode"], Program]


class SimNode:
    """A node at a URL. build: makes its program of its ports, at each start."""

    def __init__(
        self, sim: "Sim", url: str, build: Build, seeds: tuple[str, ...] = (), zone: str = ""
    ) -> None:
        self.sim, self.url, self.seeds, self.zone = sim, url, seeds, zone
        self._build = build
        self.disk = self._aside = SimDisk(sim.rng(f"disk {url}"))
        self.clock = SimClock()
        self.starts, self._stopped_at = 0, 0.0
        self.is_held_down = False  # whoever starts crashed nodes again leaves this one alone
        self.process: Process | None = None
        self.program: Program | None = None

    @property
    def is_up(self) -> bool:
        """Whether a process runs, stopped or not."""
        return self.process is not None

    def start(self) -> None:
        """Start a process on what the disk holds."""
        assert self.process is None, f"{self.url} runs already"
        self.starts += 1
        self.process = Process(self.url)
        self.rng = Random(f"{self.sim.seed} {self.url} {self.starts}")
        self.store = SimStore(self.disk, self.process)
        self.node_file = SimNodeFile(self.disk, self.process)
        self.time_mark = SimTimeMark(self.disk, self.process)
        if self.disk.rng.random() < HINTS_LOST:
            self.disk.hints = None
        self.sim.trace.add(f"start {self.url}")
        self.process.start(self._main(self.process), f"main of {self.url}")

    async def _main(self, process: Process) -> None:
        """The process itself: its program is built in it, so that what the building starts belongs to it."""
        try:
            self.program = self._build(self)
            await self.program.run()
        except Exception as error:  # whatever a node ends with is a finding
            self.sim.bug(f"{self.url} ended", error)
        if not process.is_dead:
            self.sim.trace.add(f"end {self.url}")

    # --- its ports

    @property
    def hints(self) -> HintLog:
        from limedb.storage.memory.hints import MemoryHints  # a toy has none

        if self.disk.hints is None:
            self.disk.hints = MemoryHints()
        hints: HintLog = self.disk.hints
        return hints

    @property
    def operations(self) -> OperationLog:
        from tests.simulation.operations import SimOperations  # a toy has none

        if self.disk.operations is None:
            self.disk.operations = SimOperations()
        operations: OperationLog = self.disk.operations
        return operations

    @property
    def gossip(self) -> SimGossip:
        return SimGossip(self.sim.network, self)

    @property
    def topology(self) -> SimTopologyTransport:
        return SimTopologyTransport(self.sim.network, self)

    def connect(self, own: Replica, is_alive: Callable[[str], bool] = lambda url: True) -> SimReplicas:
        """The directory of replicas around the own one. is_alive: what gossip says of a peer."""
        return SimReplicas(self.sim.network, self, own, is_alive)

    def process_start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside the program, as long as the process lives."""
        assert self.process is not None, f"{self.url} doesn't run"
        self.process.start(work, name)

    # --- what is done to it

    async def crash(self) -> None:
        """End the process as SIGKILL or a power cut would."""
        process, store, node_file = self.process, self.store, self.node_file
        assert process is not None, f"{self.url} doesn't run"
        self.sim.trace.add(f"crash {self.url}")
        self.process = self.program = None
        process.is_dead = True
        store.crash()
        node_file.crash()
        self.sim.network.reset(self.url)
        if stuck := await process.kill():
            self.sim.bug(f"{self.url} can't be cancelled", AssertionError(f"{stuck}"))

    async def end(self) -> None:
        """End the process as SIGTERM would: peers that don't count for watches are waited for, writes that
        run are done, and the log of changes is kept.
        """
        engine = getattr(self.program, "engine", None)
        if engine is not None:
            await engine.wait_watchable(self._watch_wait_ms_of)
        for _ in range(END_LOOKS):
            if engine is not None and engine.in_flight.is_empty:
                changes = engine.replica.changes
                self.disk.tail = (changes.tail(), self.disk.high_water) if changes.is_complete else None
                break
            await asyncio.sleep(0.005)
        await self.crash()

    async def _watch_wait_ms_of(self, url: str) -> int:
        node = self.sim.nodes.get(url)
        engine = getattr(node.program, "engine", None) if node is not None else None
        return engine.watch_wait_ms if engine is not None else 0

    def be_born_again(self) -> None:
        """End the process, set the data aside, and start as a new node, soon."""
        self.sim.start(self._be_born_again(self.process), f"rebirth of {self.url}")

    async def _be_born_again(self, process: Process | None) -> None:
        if process is None or self.process is not process:
            return
        await self.crash()
        saved = self.disk.saved
        self.disk.wipe()
        if saved is not None:
            self.disk.saved = node_damage.successor(saved, f"{self.disk.rng.getrandbits(64):016x}")
        await asyncio.sleep(0.5)
        if not self.is_up and self.url in self.sim.nodes:
            self.start()

    def set_data_aside(self, successor: Callable[[Saved, str], Saved] = node_damage.successor) -> bool:
        """Do as a start does that finds a file of the node damaged, once the process has ended; whether it
        may. What was there is kept by `put_data_back`. successor: what the next node starts with.
        """
        saved = self.disk.saved
        if saved is None or node_damage.why_not(saved):
            return False
        self.sim.trace.add(f"{self.url} sets its data aside")
        self._aside, self.disk = self.disk, SimDisk(self.disk.rng)
        self.disk.saved = successor(saved, f"{self.disk.rng.getrandbits(64):016x}")
        return True

    def put_data_back(self) -> None:
        """Undo `set_data_aside`, once the process has ended: the damage was none."""
        self.sim.trace.add(f"{self.url} gets its data back")
        self.disk = self._aside

    def stop(self) -> None:
        """Let it stand still, as SIGSTOP would."""
        if self.process is not None and not self.process.is_stopped:
            self.sim.trace.add(f"stop {self.url}")
            self.process.stop()
            self._stopped_at = self.clock.elapsed()

    def resume(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self.sim.trace.add(f"resume {self.url}")
            if self.process.is_stopped:
                self.clock.stand_still(self.clock.elapsed() - self._stopped_at)
            self.process.resume()

    # --- what its clients do

    async def ask(self, work: Callable[[Any], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Have the program do something for a client, `timeout` seconds at most.

        ConnectionError: there is none, or it broke before the answer. TimeoutError.
        """
        if self.process is None or self.program is None:
            raise ConnectionRefusedError(self.url)
        task = self.process.start(work(self.program), f"request to {self.url}")
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait([task])
        finally:
            task.cancel()
        if task.cancelled():
            raise ConnectionResetError(self.url)
        return task.result()
