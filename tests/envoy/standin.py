"""A node's stand-in behind a real Envoy: it owns an answer for each public call, and a record of what came."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, gossip_pb2, gossip_pb2_grpc, kv_pb2, kv_pb2_grpc, replica_pb2, replica_pb2_grpc

OPTIONS = (("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 500), ("grpc.keepalive_permit_without_calls", 1))


@dataclass
class StandIn:
    url: str
    data: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, Any]] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    delay: float = 0.0


class KV(kv_pb2_grpc.KVServiceServicer):
    def __init__(self, node): self.node = node
    async def _enter(self, name, request, context):
        self.node.seen.append((name, request)); self.node.metadata.append(dict(context.invocation_metadata()))
        await asyncio.sleep(self.node.delay)
        if self.node.failures[name] > 0:
            self.node.failures[name] -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "told to fail")
        if getattr(request, "key", "x") == "":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "key is empty")
    async def Set(self, request, context):
        await self._enter("Set", request, context)
        self.node.data[request.key] = request.value
        return kv_pb2.SetResponse(receipt={"version": 7, "acked": 1})
    async def SetDirect(self, request, context):
        await self._enter("SetDirect", request, context)
        self.node.data[request.key] = request.value
        return kv_pb2.SetDirectResponse()
    async def Get(self, request, context):
        await self._enter("Get", request, context)
        if request.key not in self.node.data:
            await context.abort(grpc.StatusCode.NOT_FOUND, "key not found")
        return kv_pb2.GetResponse(value=self.node.data[request.key], node_url=self.node.url)
    async def Delete(self, request, context):
        await self._enter("Delete", request, context)
        return kv_pb2.DeleteResponse(deleted=int(self.node.data.pop(request.key, None) is not None))
    async def ListKeys(self, request, context):
        await self._enter("ListKeys", request, context)
        return kv_pb2.ListKeysResponse(keys=[kv_pb2.KeyEntry(key=k, value=v) for k, v in sorted(self.node.data.items())])
    async def BatchGet(self, request, context):
        await self._enter("BatchGet", request, context)
        return kv_pb2.BatchGetResponse(results=[kv_pb2.BatchGetResult(found=k in self.node.data, value=self.node.data.get(k)) for k in request.keys])
    async def BatchSet(self, request, context):
        await self._enter("BatchSet", request, context)
        return kv_pb2.BatchSetResponse()


class Cluster(cluster_pb2_grpc.ClusterServiceServicer):
    def __init__(self, node): self.node = node
    async def GetState(self, request, context):
        return cluster_pb2.GetStateResponse(node_url=self.node.url, status="active")
    async def GetGossip(self, request, context):
        return cluster_pb2.GetGossipResponse(node_url=self.node.url, generation=5)
    async def GetHealth(self, request, context):
        self.node.metadata.append(dict(context.invocation_metadata()))
        return cluster_pb2.GetHealthResponse(status="healthy", node_url=self.node.url)


async def serve(url, address):
    node = StandIn(url)
    server = grpc.aio.server(options=OPTIONS)
    kv_pb2_grpc.add_KVServiceServicer_to_server(KV(node), server)
    cluster_pb2_grpc.add_ClusterServiceServicer_to_server(Cluster(node), server)
    gossip_pb2_grpc.add_GossipServiceServicer_to_server(gossip_pb2_grpc.GossipServiceServicer(), server)
    replica_pb2_grpc.add_ReplicaServiceServicer_to_server(replica_pb2_grpc.ReplicaServiceServicer(), server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection(["limedb.v1.KVService", reflection.SERVICE_NAME], server)
    server.add_insecure_port(address)
    await server.start()
    return node, server, health

if __name__ == "__main__":
    async def main():
        nodes = [await serve(f"http://127.0.0.1:{p}", f"127.0.0.1:{p}") for p in (27001, 27002)]
        n = 0
        while True:
            await asyncio.sleep(0.05)
            for node, *_ in nodes:
                for s, md in zip(node.seen, node.metadata):
                    print(node.url[-5:], s[0], repr(str(s[1]))[:200], {k: v[:60] for k, v in md.items()}, flush=True)
                node.seen.clear(); node.metadata.clear()
    asyncio.run(main())
