"""A cluster that asks for tokens, and what calls with each of them come to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from limedb.access.peer_secret import HEADER as PROOF
from limedb.access.peer_secret import PeerSecret
from limedb.operator.users import UserClient
from limedb.rpc.addressee import HEADER as MEANT
from limedb.tls.bearer import with_token
from limedb.tls.target import Target
from limedb.wire.status import name_of as code_name
from tests.scenarios.access_table import PREFIX, methods
from tests.support.clusters import RunningCluster, running_cluster

KEY_ROLES = ("read", "write", "watch", "admin")
SECONDS = 10.0
METHODS = {f"{m.containing_service.full_name}/{m.name}": m for m in methods()}
NO, NOT = "UNAUTHENTICATED", "PERMISSION_DENIED"


class Guarded:
    """A cluster that asks for tokens. tokens: by the name of what their holder may do."""

    def __init__(self, cluster: RunningCluster) -> None:
        self.cluster = cluster
        self.root = (cluster.folder / "root.token").read_text().strip()
        self.secret = PeerSecret((cluster.folder / "cluster.secret").read_text().strip())
        self.tokens: dict[str, str] = {}
        with self.users() as users:
            for role in KEY_ROLES:
                self.tokens[role] = users.add(role, [f"{role}:{PREFIX}"])[1]
                self.tokens[f"all-{role}"] = users.add(f"all-{role}", [role])[1]
            self.tokens["operator"] = users.add("operator", ["operator"])[1]
            self.tokens["revoked"] = users.add("revoked", ["admin", "operator"])[1]
            users.delete("revoked")
        self.tokens["unknown"] = self.tokens["admin"][:-2] + "xx"

    @property
    def doors(self) -> dict[str, str]:
        return {"node": self.cluster.nodes[0].address, "envoy": self.cluster.envoy_address}

    @contextmanager
    def users(self, token: str = "", door: str = "node") -> Iterator[UserClient]:
        address = self.doors[door]
        with grpc.insecure_channel(address) as channel:
            yield UserClient(Target(address), with_token(channel, token or self.root), SECONDS)

    def as_node(self) -> tuple[tuple[str, bytes], ...]:
        meant = self.cluster.nodes[0].url.encode()
        return ((MEANT, meant), (PROOF, self.secret.proof(meant)))


@contextmanager
def guarded_cluster(folder: Path) -> Iterator[Guarded]:
    """Two nodes and Envoy that ask for tokens, for the time of the block."""
    with running_cluster(folder, nodes=2, auth=True) as running:
        yield Guarded(running)


def outcome(address: str, method: MethodDescriptor, request: Message, metadata: Any) -> str:
    """The name of the code that a call gets, or that the first item of a batch gets; OK."""
    kind = "stream" if method.client_streaming else "unary"
    answers = "stream" if method.server_streaming else "unary"
    with grpc.insecure_channel(address) as channel:
        make = getattr(channel, f"{kind}_{answers}")
        call = make(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        try:
            sent = iter([request]) if method.client_streaming else request
            # Long enough for an answer: a stream that says nothing was let in.
            seconds = 2.0 if method.server_streaming else SECONDS
            answer = call(sent, metadata=metadata, timeout=seconds)
            if method.server_streaming:
                first = next(iter(answer), None)
                answer.cancel()
                answer = first
        except grpc.RpcError as error:
            return str(error.code().name)  # type: ignore[attr-defined]
    for result in getattr(answer, "results", ()):
        if result.HasField("error"):
            return code_name(result.error.code)
    return "OK"
