"""Nodes without and with TLS and tokens, side by side: unary calls over one connection."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.data import key_of, value_of
from bench.lines import Line, measure_side_by_side, table_of
from bench.systems.limedb import LimeDB
from limedb.launch.certificates import LocalCertificates, client_files
from limedb.launch.secrets import auth_settings, token_for
from limedb.tls.dialling import open_channel
from limedb.tls.target import ClientTls, Target
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

KEY = key_of(1)
CALLS = {
    "Get": kv_pb2.GetRequest(key=KEY).SerializeToString(),
    "Set": kv_pb2.SetRequest(key=KEY, value=value_of(KEY)).SerializeToString(),
}


def table(rounds: int, seconds: float) -> str:
    """Return the tables of Get and Set, for one node and for three."""
    with tempfile.TemporaryDirectory(dir="build", prefix="bench-") as folder:
        place = Path(folder).resolve()
        return "\n\n".join(each for nodes in (1, 3) for each in _tables(place, nodes, rounds, seconds))


def _tables(folder: Path, nodes: int, rounds: int, seconds: float) -> Iterator[str]:
    kinds = {
        "in the clear": (False, False),
        "a token": (False, True),
        "TLS 1.3": (True, False),
        "TLS 1.3 and a token": (True, True),
    }
    for method, message in CALLS.items():
        with ExitStack() as stack:
            lines = [
                stack.enter_context(_running(folder / f"{method}{nodes}{i}", nodes, name, *kind))
                for i, (name, kind) in enumerate(kinds.items())
            ]
            size = len(value_of(KEY)) if method == "Get" else 0
            measure_side_by_side(lines, rounds, f"limedb.v1.KVService/{method}", message, seconds, size)
            yield table_of(f"{method}, {nodes} node{'s' if nodes > 1 else ''}", lines)


@contextmanager
def _running(folder: Path, nodes: int, name: str, has_tls: bool, asks: bool) -> Iterator[Line]:
    secrets = auth_settings(folder) if asks else {}
    system = LimeDB(folder, 1 if nodes == 1 else 3, **secrets)
    system.token = token_for(secrets)
    if has_tls:
        made = LocalCertificates(folder)
        for port in system.ports:
            settings = made.settings(f"node{port}", f"http://127.0.0.1:{port}")
            system.own_settings[port] = {**settings, "PEER_PORT_OFFSET": "5000"}
        ca = Path(settings["TLS_CA"])
        system.tls = ClientTls(ca, *client_files(ca))
    system.start()
    try:
        with open_channel(Target(system.address, system.tls, system.token), ()) as channel:
            kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key=KEY, value=value_of(KEY)))
        yield Line(name, system.pids, system.ports[0], "https" if has_tls else "http", system.token)
    finally:
        system.stop()
