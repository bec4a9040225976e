"""Keys of writes that may be sent again: what is refused, and how replicas agree over a real wire."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.idempotency import AgreedVersion, Proposal, State, WriteId
from limedb.core.limits import MAX_ATTEMPT
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.topology import Fence, Member, initial_topology
from limedb.errors import InvalidRequestError, RemoteError, StaleEpochError
from limedb.replication.coordinator import Write
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.peer.remote_replica import RemoteReplica
from limedb.rpc.server.checks import Checks
from limedb.wire import kv as convert
from limedb.wire import replica as convert_replica
from limedbpb.v1 import kv_pb2, replica_pb2
from tests.rpc.peers import URL, FakeReplica, SystemClock, servicers, serving
from tests.support.ports import free_port

KEY = b"k" * 16
FENCE = Fence("00000000000000aa", 3)
NEWER = initial_topology("00000000000000aa", 3, [Member("a", "http://a:1")])
checks = Checks(max_value_size=10)

U64 = st.integers(0, 2**64 - 1)
TERMS = st.builds(AgreedVersion, U64, U64, st.booleans())
BALLOTS = st.builds(Ballot, st.integers(1, 2**32 - 1), st.text("0123456789abcdef", min_size=1, max_size=16))
PROPOSALS = st.builds(
    Proposal,
    st.builds(WriteId, st.binary(min_size=16, max_size=16), U64, U64),
    BALLOTS,
    st.none() | TERMS,
)
STATES = st.one_of(
    st.none(),
    st.just(Acceptor()),
    st.builds(Acceptor, BALLOTS),
    st.builds(Acceptor, BALLOTS, BALLOTS, TERMS),
)


@pytest.mark.parametrize("size", [1, 15, 65])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"idempotencyKey of {size} bytes: must be 16 to 64"):
        checks.write(Write("k", "v", 0, b"x" * size))


def test_an_attempt_needs_a_key_and_a_number_within_reason() -> None:
    for size in (16, 64):
        assert checks.write(Write("k", "v", 0, b"x" * size, MAX_ATTEMPT)).attempt == MAX_ATTEMPT
    with pytest.raises(InvalidRequestError, match="idempotencyKey of 0 bytes"):
        checks.write(Write("k", "v", attempt=1))
    with pytest.raises(InvalidRequestError, match="must be 0 to 1000000"):
        checks.write(Write("k", "v", 0, KEY, MAX_ATTEMPT + 1))


def test_every_kind_of_write_may_have_one() -> None:
    given_: dict[str, Any] = {"key": "k", "idempotency_key": KEY, "attempt": 2}
    assert convert.write_from(kv_pb2.SetRequest(value="v", ttl_ms=5, **given_), "value") == Write(
        "k", "v", 5, KEY, 2
    )
    assert convert.delete_from(kv_pb2.DeleteRequest(**given_)) == Write("k", None, 0, KEY, 2)
    batched = kv_pb2.BatchWrite(blob=b"b", **given_)
    assert convert.batch_write_from(batched, "blob") == Write("k", b"b", 0, KEY, 2)
    assert convert.write_from(kv_pb2.SetDirectRequest(key="k", value="v"), "value") == Write("k", "v")


@given(st.lists(PROPOSALS, max_size=3))
def test_proposals_come_back_as_they_were(proposals: list[Proposal]) -> None:
    data = convert_replica.agree_request(proposals, FENCE).SerializeToString()
    assert convert_replica.proposals_from(replica_pb2.AgreeRequest.FromString(data)) == proposals


@given(st.lists(STATES, max_size=3))
def test_states_come_back_as_they_were(states: list[State | None]) -> None:
    data = convert_replica.agree_response(states).SerializeToString()
    assert convert_replica.states_from(replica_pb2.AgreeResponse.FromString(data)) == states


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Any]:
    own = FakeReplica()
    with free_port() as port:
        links = PeerLinks(lambda _: f"127.0.0.1:{port}", SystemClock())
        async with serving(f"127.0.0.1:{port}", *servicers(own)):
            yield SimpleNamespace(own=own, replica=RemoteReplica(links.to(URL), SystemClock()))
            await links.close()


async def test_a_peer_is_asked_to_agree(peer: Any) -> None:
    ballot = Ballot(1, "p" * 16)
    proposal = Proposal(WriteId(b"o" * 16, 7, 8), ballot, AgreedVersion(9, 0, existed=True))
    peer.own.found = [Acceptor(ballot, ballot, proposal.value), None]
    states = await peer.replica.agree([proposal, proposal], FENCE, SystemClock().monotonic() + 5)
    assert states == peer.own.found
    assert peer.own.asked == [("agree", [proposal, proposal], FENCE)]


async def test_a_peer_that_knows_a_newer_topology_or_gets_nonsense_agrees_to_nothing(peer: Any) -> None:
    proposal = Proposal(WriteId(b"o" * 16, 0, 0), Ballot(1, "p"), None)
    peer.own.error = StaleEpochError(NEWER)
    with pytest.raises(StaleEpochError) as caught:
        await peer.replica.agree([proposal], FENCE, SystemClock().monotonic() + 5)
    assert caught.value.topology == NEWER
    short = proposal._replace(operation=WriteId(b"o", 0, 0))
    with pytest.raises(RemoteError, match="not a proposal"):
        await peer.replica.agree([short], FENCE, SystemClock().monotonic() + 5)
