"""What it costs to recognise a caller and to decide on its request: `python -m bench.access`.

The goal is under 3 us for a cached identity, the hash of its token included.
"""

import asyncio
import timeit
from collections.abc import Callable

from limedb.access.identities import Identities
from limedb.access.peer_secret import HEADER as PROOF
from limedb.access.peer_secret import PeerSecret
from limedb.access.root import RootToken
from limedb.access.tokens import new_secret, new_token
from limedb.core.rights import Identity, parse_grant
from limedb.node.clock import SystemClock
from limedb.ports import Credential
from limedb.rpc.addressee import HEADER as MEANT
from limedb.rpc.server.gate import Gate, shown_in
from limedbpb.v1 import kv_pb2

ROUNDS = 100_000
REPEATS = 5
ALICE = Identity("alice", (parse_grant("read:a/"), parse_grant("write:a/"), parse_grant("read:b/")))


class OneUser(RootToken):
    """Recognises one token."""

    async def identity_of(self, shown: Credential, deadline: float) -> Identity | None:
        return ALICE if await super().identity_of(shown, deadline) else None


class Call:
    """A call with headers as a client of gRPC sends them."""

    def __init__(self, *more: tuple[str, str | bytes]) -> None:
        self._metadata = (("user-agent", "grpc-python-asyncio/1.82.3"), ("limedb-cluster", "0" * 16), *more)

    def invocation_metadata(self) -> object:
        return self._metadata

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1234"

    def time_remaining(self) -> float | None:
        return None


def microseconds(work: Callable[[], object]) -> float:
    """The least time of a call among some rounds."""
    return min(timeit.repeat(work, number=ROUNDS, repeat=REPEATS)) / ROUNDS * 1e6


async def main() -> None:
    token, secret = new_token("alice"), PeerSecret(new_secret())
    identities = Identities([OneUser(token)], SystemClock())
    await identities.of(token)
    gate = Gate(identities, secret, None, enforces=True)
    call = Call(("authorization", f"Bearer {token}"))
    node = Call((MEANT, b"http://a:1"), (PROOF, secret.proof(b"http://a:1")))
    get, write = (gate.guard("limedb.v1.KVService", method) for method in ("Get", "Scan"))
    assert get is not None
    assert write is not None
    read, scan = kv_pb2.GetRequest(key="a/some-key"), kv_pb2.ScanRequest(prefix="a/")
    shown = shown_in(call)

    def decide() -> None:
        identity = gate.known(shown)
        assert identity is not None
        get.judge(identity, read, call)

    identities.forget()
    await identities.of(token)
    figures = {
        "find the token among the headers": lambda: shown_in(call),
        "recognise a known token": lambda: gate.known(shown),
        "judge a Get": lambda: get.judge(ALICE, read, call),
        "judge a Scan": lambda: write.judge(ALICE, scan, call),
        "a decision: recognise, and judge a Get": decide,
        "check a node's proof": lambda: secret.proves(*shown_in(node)[:0:-1]),
    }
    for what, work in figures.items():
        await identities.of(token)  # fresh for the next seconds
        print(f"{what:45} {microseconds(work):6.2f} us")


if __name__ == "__main__":
    asyncio.run(main())
