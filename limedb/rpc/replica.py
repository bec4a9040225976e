"""ReplicaService: what peers ask of this node's replica. It never coordinates: one hop, no loops."""

from limedb.ports import Replica
from limedb.rpc import convert
from limedb.rpc.deadlines import Deadlines
from limedb.rpc.server import Context
from limedb.storage.codec import from_message
from limedbpb.v1 import replica_pb2, replica_pb2_grpc


class ReplicaServicer(replica_pb2_grpc.ReplicaServiceServicer):
    """Serves the node's own replica to its peers."""

    service = replica_pb2.DESCRIPTOR.services_by_name["ReplicaService"]

    def __init__(self, own: Replica, deadlines: Deadlines) -> None:
        self._own, self._deadlines = own, deadlines

    async def Read(self, request: replica_pb2.ReadRequest, context: Context) -> replica_pb2.ReadResponse:
        return convert.read_response(await self._own.read(request.keys, self._deadlines.of(context)))

    async def Apply(self, request: replica_pb2.ApplyRequest, context: Context) -> replica_pb2.ApplyResponse:
        records = [from_message(message) for message in request.records]
        return convert.apply_response(await self._own.apply(records, self._deadlines.of(context)))
