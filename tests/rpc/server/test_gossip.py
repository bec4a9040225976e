"""The answering side of gossip."""

from typing import Any

from limedb.core.membership import Ack
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.gossip import GossipServicer
from limedbpb.v1 import gossip_pb2


class Clock:
    """Stands still."""

    def wall_ms(self) -> int:
        return 1_700_000_000_123

    def monotonic(self) -> float:
        return 0.0

    def elapsed(self) -> float:
        return 0.0

    def worked(self) -> float:
        return 0.0


class Taker:
    """Answers each SYN by asking for more."""

    def on_syn(self, digests: Any) -> Ack:
        return Ack((), tuple(digests))

    def on_ack2(self, updates: Any) -> None:
        raise AssertionError("no ACK2 was sent")


async def test_an_ack_tells_the_time() -> None:
    servicer: Any = GossipServicer(Taker(), Checks(10), Clock())
    digest = gossip_pb2.Digest(node_url="http://node1:1", generation=1, heartbeat=2)
    request = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_SYN, payload={"digests": [digest]})
    answer = await servicer.Exchange(request, None)
    assert answer.now_ms == 1_700_000_000_123
    assert list(answer.digests_request) == [digest]
