"""A node's view of its cluster, called from outside, for the command line.

It owns the reading of ClusterService's answers. Like `limedb.operator.calls`, it must never run in a node.

Tested in tests/operator/test_silence.py and tests/cli/test_commands.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from limedb.core.conditions import condition, is_known
from limedb.core.membership import NodeLoad
from limedb.operator.calls import Caller
from limedb.operator.connections import connection
from limedb.tls.target import Target, target_of
from limedb.wire.channels import options_for
from limedb.wire.load import load_from
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

View: TypeAlias = dict[str, Any]
"""An answer as REST has it; 64-bit numbers are strings."""


@dataclass(frozen=True, slots=True)
class NodeSample:
    """A node at one moment, as the answering node knows it. standing: empty if it is not a member. lag:
    seconds since its last heartbeat. load: None if it reported none.
    """

    url: str
    zone: str
    standing: str
    status: str
    lag: float
    keys: int
    share: float
    reachable: bool
    load: NodeLoad | None

    @property
    def condition(self) -> str:
        """active, stale, unreachable, dead or unknown."""
        return condition(self.status, self.reachable)

    @property
    def is_known(self) -> bool:
        """Whether its last figures are those of now."""
        return is_known(self.status, self.reachable)


@dataclass(frozen=True, slots=True)
class ClusterSample:
    """The cluster at one moment. time: seconds since 1970, by the answering node's clock. change: the one
    under way, in words; empty: there is none. as_view: all of it.
    """

    node_url: str
    time: float
    epoch: int
    phase: str
    replication_factor: int
    nodes: tuple[NodeSample, ...]
    change: str
    as_view: View

    @property
    def members(self) -> tuple[NodeSample, ...]:
        """The nodes that are members."""
        return tuple(node for node in self.nodes if node.standing)


class ClusterClient(Caller):
    """Asks for views. It raises the errors of every Caller."""

    def __init__(self, target: Target, channel: grpc.Channel, timeout: float) -> None:
        super().__init__(target, channel, timeout)
        self._stub = cluster_pb2_grpc.ClusterServiceStub(channel)

    def state(self) -> View:
        """Return the members and their state."""
        request = cluster_pb2.GetStateRequest()
        return _view(self._call(lambda: self._stub.GetState(request, timeout=self._timeout)))

    def ring(self) -> View:
        """Return which node owns which range of tokens."""
        request = cluster_pb2.GetRingRequest()
        return _view(self._call(lambda: self._stub.GetRing(request, timeout=self._timeout)))

    def gossip(self) -> View:
        """Return the node's view of the others by gossip."""
        request = cluster_pb2.GetGossipRequest()
        return _view(self._call(lambda: self._stub.GetGossip(request, timeout=self._timeout)))

    def health(self) -> View:
        """Return the health of the node."""
        request = cluster_pb2.GetHealthRequest()
        return _view(self._call(lambda: self._stub.GetHealth(request, timeout=self._timeout)))

    def locate(self, key: str) -> View:
        """Return which nodes hold a key, and which version."""
        request = cluster_pb2.LocateKeyRequest(key=key)
        return _view(self._call(lambda: self._stub.LocateKey(request, timeout=self._timeout)))

    def watch(self, interval_ms: int, late: float) -> Iterator[ClusterSample]:
        """Yield the cluster now, then at each change and each interval, forever. late: how many seconds late
        a sample may be, except for the first, which has the time of a call.
        """
        request = cluster_pb2.WatchClusterRequest(interval_ms=interval_ms)
        silence = interval_ms / 1000 + late
        answers = self._stream(lambda: self._stub.WatchCluster(request), silence, self._timeout)
        yield from map(_sample, answers)


@contextmanager
def cluster_client(target: Target | str, timeout: float) -> Iterator[ClusterClient]:
    """Open a client of the node or Envoy at target (host:port: without TLS) for the block."""
    to = target_of(target).first
    with connection(to, options_for(timeout)) as channel:
        yield ClusterClient(to, channel, timeout)


def _view(answer: Message) -> View:
    fields = MessageToDict(answer, always_print_fields_with_no_presence=True)
    return _in_order(fields, cast("Descriptor", answer.DESCRIPTOR))


def _in_order(fields: View, kind: Descriptor) -> View:
    """Return the fields of a message in the order of its contract, as REST has them."""
    return {
        field.json_name: _parts_in_order(fields[field.json_name], field.message_type)
        for field in kind.fields
        if field.json_name in fields
    }


def _parts_in_order(fields: object, kind: Descriptor | None) -> object:
    if kind is None or kind.file.package != "limedb.v1" or kind.GetOptions().map_entry:
        return fields
    if isinstance(fields, list):
        return [_in_order(part, kind) for part in fields]
    return _in_order(cast("View", fields), kind)


def _sample(answer: cluster_pb2.WatchClusterResponse) -> ClusterSample:
    return ClusterSample(
        node_url=answer.node_url,
        time=answer.timestamp.ToNanoseconds() / 1e9,
        epoch=answer.epoch,
        phase=answer.phase,
        replication_factor=answer.replication_factor,
        nodes=tuple(map(_node, answer.nodes)),
        change=f"{answer.change.what} ({answer.change.phase})" if answer.HasField("change") else "",
        as_view=_view(answer),
    )


def _node(node: cluster_pb2.ClusterNode) -> NodeSample:
    return NodeSample(
        url=node.url,
        zone=node.zone,
        standing=node.standing,
        status=node.status,
        lag=node.lag,
        keys=node.keys,
        share=node.share,
        reachable=node.reachable,
        load=load_from(node.load) if node.HasField("load") else None,
    )
