"""The real node behind simulated ports: `limedb.engine.Engine`, as node.py runs it, without its wires.

It owns what node.py does around the engine: it answers peers, and a node that was removed sets its data aside
and joins as a new one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from limedb.cluster.topology.loopback import TopologyKeeper
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.encoding.record import decode
from limedb.engine import Engine, Settings, World
from limedb.errors import KeyNotFoundError, LimeDBError
from limedb.ports import Replica
from limedb.replication.coordinator import Found, Write, Written
from limedb.replication.read.reader import ReadRound
from limedb.replication.requests import Outcome
from limedb.replication.write.portions import PORTION_BYTES
from limedb.rpc import addressee
from limedb.wire.batch_set import plain_writes
from limedbpb.v1 import kv_pb2
from tests.simulation.node import SimNode, Value

SETTINGS: Mapping[str, Any] = {
    "virtual_nodes": 4,
    "replication_factor": 3,
    "gossip_interval": 0.5,
    "dead_node_timeout": 1e6,
    "repair_interval": 10.0,
}
"""Few points, so that layouts are quickly made; times short beside those of a scenario."""


class EngineProgram:
    """An engine on a simulated node. settings: what differs from SETTINGS. repairs_reads: whether reads mend
    replicas that differ. portion_bytes: of the coordinator. engine: its class. world: changes what it runs
    on. meant: checks that a call which names a node reaches that one.
    """

    def __init__(
        self,
        node: SimNode,
        *,
        repairs_reads: bool = True,
        portion_bytes: int = PORTION_BYTES,
        engine: type[Engine] = Engine,
        world: Callable[[World], World] = lambda world: world,
        meant: Callable[[str, str], None] = addressee.check_meant,
        **settings: Any,
    ) -> None:
        self._node, self._check_meant = node, meant
        chosen = {**SETTINGS, **settings}
        self.engine = engine(
            Settings(node_url=node.url, address="", seeds=node.seeds, zone=node.zone, **chosen),
            world(_world_of(node)),
        )
        self.engine.coordinator.portion_bytes = portion_bytes
        confirmed_reads = self.engine.coordinator.confirmed_reads
        confirmed_reads.levels |= {Level.LINEARIZABLE}
        if int(node.url.removesuffix(":8484")[-1]) % 2:  # to every other node all records are large
            confirmed_reads.max_record = 0
        if (left := node.disk.tail) is not None and left[1] == node.store.high_water():
            self.engine.replica.changes.take_over(left[0])
        node.disk.tail = None
        if not repairs_reads:
            self.engine.coordinator.resolver.read_repair = _WritesNothing()
        self.topology: TopologyKeeper = self.engine.topology_answers
        self.answers: Replica = self.engine.door  # to peers
        self.on_syn, self.on_ack2 = self.engine.gossiper.on_syn, self.engine.gossiper.on_ack2
        topology_store = self.engine.topology_store
        node.sim.note_topology(node.url, topology_store.topology)
        topology_store.subscribe(lambda _, after: node.sim.note_topology(node.url, after))

    @property
    def replica(self) -> Replica:
        return self.answers

    def check_meant(self, url: str) -> None:
        self._check_meant(self._node.url, url)

    async def run(self) -> None:
        self._node.process_start(self._attend(), "attend")
        await self.engine.run()

    async def _attend(self) -> None:
        """Do as node.py does with a node that is out of its cluster."""
        why = await self.engine.topology_manager.wait_departed()
        self._node.sim.trace.add(f"{self._node.url} has departed: {why}")
        if why == "removed":
            self._node.be_born_again()

    async def read(self, key: str, level: Level, deadline: float) -> Value:
        """As KVService reads it: at hand where peers confirm that, the whole way otherwise."""
        if (data := await self.engine.coordinator.get_stored(key, level, deadline)) is not None:
            return _value_in(data, self.engine.skew.now_ms())
        try:
            found = await self.engine.coordinator.get_large(key, level, deadline)
        except KeyNotFoundError:
            return None
        return _value_in(found, self.engine.skew.now_ms()) if isinstance(found, bytes) else found.value

    async def write(
        self, key: str, value: Value, level: Level, deadline: float, ttl_ms: int = 0, expires_at_ms: int = 0
    ) -> int:
        write = Write(key, value, ttl_ms, expires_at_ms=expires_at_ms)
        return (await self.engine.coordinator.write(write, level, deadline)).version

    async def write_many(
        self, items: Sequence[tuple[str, Value]], level: Level, deadline: float
    ) -> list[Written | LimeDBError]:
        """The outcome of each of a batch."""
        writes = [Write(key, value) for key, value in items]
        return await self.engine.coordinator.write_many(_as_received(writes), level, deadline)

    async def read_many(
        self, keys: Sequence[str], level: Level, deadline: float, most: int | None
    ) -> list[Found | LimeDBError]:
        """The outcome of each of many. most: bytes of values that a replica may answer."""
        outcomes = await self.engine.coordinator.get_many(keys, level, deadline, most)
        now_ms = self.engine.skew.now_ms()
        return [_found_in(key, each, now_ms) for key, each in zip(keys, outcomes, strict=True)]


def _value_in(data: bytes, now_ms: int) -> Value:
    """The value in a stored record; None: it is deleted or has expired, or there is none."""
    record = decode(data) if data else None
    return record.value if record is not None and record.is_live(now_ms) else None


def _found_in(key: str, outcome: Outcome, now_ms: int) -> Found | LimeDBError:
    if isinstance(outcome, Found | LimeDBError):
        return outcome
    value = _value_in(outcome or b"", now_ms)
    return KeyNotFoundError(key) if value is None else Found(value, "")


def _as_received(writes: Sequence[Write]) -> Sequence[Write]:
    """Writes as a node takes them from the wire."""
    items = [
        kv_pb2.BatchWrite(key=write.key, **_content(write.value)).SerializeToString() for write in writes
    ]
    return plain_writes(items, 1 << 20) or writes


def _content(value: Value) -> dict[str, Any]:
    if value is None:
        return {"delete": True}
    return {"value" if isinstance(value, str) else "blob": value}


def _world_of(node: SimNode) -> World:
    return World(
        store=node.store,
        node_file=node.node_file,
        hints=node.hints,
        operations=node.operations,
        clock=node.clock,
        rng=node.rng,
        gossip=node.gossip,
        topology=node.topology,
        connect=lambda engine: node.connect(engine.replica, engine.is_alive),
        time_mark=node.time_mark,
    )


class _WritesNothing:
    """A planted fault: reads tell what they found without making sure that it stays."""

    async def restore(
        self, rounds: list[ReadRound], level: Level, fence: object, deadline: float
    ) -> dict[str, LimeDBError]:
        return {}


def stored(node: SimNode) -> dict[str, Record]:
    """What a node has on its disk."""
    return node.disk.records
