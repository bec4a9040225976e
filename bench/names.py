"""The names of the figures, in the table, the chart and the goals."""

ECHO = "bare grpc.aio echo"
LIMEDB = "LimeDB, one node"
LIMEDB_3 = "LimeDB, 3 nodes"
ETCD = "etcd, one node"
ETCD_3 = "etcd, 3 nodes"
REDIS = "Redis, appendfsync always"
SYSTEMS = (ECHO, LIMEDB, LIMEDB_3, ETCD, ETCD_3, REDIS)
"""In the order of the tables."""

THROUGH_ENVOY = ", through Envoy"

STREAMS = 64
BATCH = 100
BATCH_CALLERS = 8
LIBRARY_CALLERS = (64, 256)
RATES = (1000, 2000, 4000)
"""Calls a second at which latencies are measured."""

REST = "REST get, 64 connections"
STORE_GET = "a get of the store alone"
GRPC_GET = "a Get over gRPC, one after the other"
DISK = "disk per key"
MEMORY = "memory per million keys"
JOIN = "a node joins: keys streamed and stored"


def unary(operation: str) -> str:
    return f"unary {operation}, {STREAMS} at once"


def batches(operation: str) -> str:
    return f"{operation} in batches of {BATCH}, {BATCH_CALLERS} at once"


def library(operation: str, callers: int) -> str:
    return f"client library, {operation}, {callers} callers"


IDEMPOTENT = f"client library, idempotent set, {LIBRARY_CALLERS[0]} callers"


def latency(operation: str, rate: int, percent: int) -> str:
    return f"{operation} at {rate:,} a second, p{percent}"


def processor(what: str) -> str:
    """The processor time of an operation, or of one of its keys, in all processes of the system."""
    return f"processor time: {what}"


def with_keys(system: str, count: int) -> str:
    return f"{system}, {count:,} keys"
