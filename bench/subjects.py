"""Every system with the ways of calling it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc

from bench import names
from bench.clients import Opener, etcd_api, limedb_api, redis_api
from bench.clients.wires import GrpcWire, RespWire, Wire
from bench.data import key_of, value_of
from bench.load import grpc_rate
from bench.systems import System
from bench.systems.echo import Echo
from bench.systems.envoy import BehindEnvoy
from bench.systems.etcd import Etcd
from bench.systems.limedb import LimeDB
from bench.systems.redis import Redis

KEY = key_of(1)
VALUE = value_of(KEY)

Rate = Callable[[str, float], float]
"""Answered requests per second at an address, measured for that many seconds."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A system, and the ways of calling it, by operation (get, set) where there are two.

    batches, library, idempotent (the library, with writes that it retries): None if there is no such client.
    verify: calls an address and raises if the answer to a single get is wrong. missing_*: why a client can't
    be measured here; empty: it can.
    """

    system: System
    unary: Mapping[str, Rate] = field(default_factory=dict)
    wires: Mapping[str, Callable[[], Wire]] = field(default_factory=dict)
    batches: Opener | None = None
    library: Opener | None = None
    idempotent: Opener | None = None
    verify: Callable[[str], None] = lambda _: None
    missing_batches: str = ""
    missing_library: str = ""
    is_rest: bool = False


def all_subjects(folder: Path) -> list[Subject]:
    """Return all of them in the order of measurement: compared systems stand beside each other."""
    echo, limedb = Echo(folder / "echo"), LimeDB(folder / "limedb", 1)
    return [
        Subject(BehindEnvoy(echo), is_rest=True),
        Subject(BehindEnvoy(limedb), batches=limedb_api.open_batches, is_rest=True),
        _grpc(echo, {"get": ("bench.Echo/Echo", limedb_api.get_request(KEY))}, limedb_api.get_request(KEY)),
        _limedb(limedb),
        _limedb(LimeDB(folder / "limedb-3", 3)),
        _etcd(Etcd(folder / "etcd", 1)),
        _etcd(Etcd(folder / "etcd-3", 3)),
        _redis(Redis(folder / "redis")),
    ]


def _limedb(system: LimeDB) -> Subject:
    calls = {
        "get": ("limedb.v1.KVService/Get", limedb_api.get_request(KEY)),
        "set": ("limedb.v1.KVService/Set", limedb_api.set_request(KEY, VALUE)),
    }
    library = limedb_api.open_library if system.name == names.LIMEDB else None
    subject = _grpc(system, calls, VALUE.encode(), limedb_api.open_batches, library)
    return replace(subject, idempotent=limedb_api.open_idempotent if library else None)


def _etcd(system: Etcd) -> Subject:
    calls = {
        "get": ("etcdserverpb.KV/Range", etcd_api.get_request(KEY)),
        "set": ("etcdserverpb.KV/Put", etcd_api.set_request(KEY, VALUE)),
    }
    return _grpc(system, calls, VALUE.encode(), etcd_api.open_batches)


def _grpc(
    system: System,
    calls: Mapping[str, tuple[str, bytes]],
    answer: bytes,
    batches: Opener | None = None,
    library: Opener | None = None,
) -> Subject:
    """calls: method and message by operation. answer: the bytes that the answer to a get must contain."""

    def rate(method: str, message: bytes) -> Rate:
        def measure(address: str, seconds: float) -> float:
            size = len(_ask(address, method, message))
            return grpc_rate(_port(address), method, message, seconds, names.STREAMS, size)

        return measure

    def wire(method: str, message: bytes) -> Callable[[], Wire]:
        return lambda: GrpcWire(method, message)

    def verify(address: str) -> None:
        if answer not in _ask(address, *calls["get"]):
            raise SystemExit(f"{system.name} does not return the value")

    return Subject(
        system,
        {operation: rate(*call) for operation, call in calls.items()},
        {operation: wire(*call) for operation, call in calls.items()},
        batches,
        library,
        verify=verify,
    )


def _ask(address: str, method: str, message: bytes) -> bytes:
    """Return the raw answer to one call."""
    with grpc.insecure_channel(address) as channel:
        ask: Callable[..., bytes] = channel.unary_unary(f"/{method}")
        return ask(message, timeout=10)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _redis(system: Redis) -> Subject:
    commands = {"get": ["GET", KEY], "set": ["SET", KEY, VALUE]}

    def rate(command: list[str]) -> Rate:
        return lambda address, seconds: redis_api.command_rate(address, command, seconds, names.STREAMS)

    value = b"$%d\r\n%s\r\n" % (len(VALUE), VALUE.encode())
    return Subject(
        system,
        {operation: rate(command) for operation, command in commands.items()},
        {
            "get": lambda: RespWire(redis_api.get_request(KEY), value),
            "set": lambda: RespWire(redis_api.set_request(KEY, VALUE), b"+OK\r\n"),
        },
        redis_api.open_client,
        redis_api.open_client,
        missing_batches=redis_api.missing_library(),
        missing_library=redis_api.missing_library(),
    )
