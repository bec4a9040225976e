"""The options of every channel to a node, for nodes, clients and commands.

It owns the options of channels. It must never open one.

Tested in tests/operator/test_silence.py.
"""

MAX_MESSAGE_BYTES = 64 << 20
"""The largest message that nodes accept, in bytes: a batch of clients' values, or a chunk between peers."""

CONNECT_MS = 5_000
"""Milliseconds for establishing a connection: some round trips across the world, or a node's pause."""

_LONGEST_MS = (1 << 31) - 1
"""The most that gRPC accepts: 24 days."""

CHANNEL_OPTIONS = (
    # A new channel starts afresh, and does not share an old one's backoff.
    ("grpc.use_local_subchannel_pool", 1),
    # A peer that restarts is found again within half a second, instead of after gRPC's default backoff. The
    # "minimal" backoff isn't a pause: it is the time for establishing a connection, which distance needs.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", CONNECT_MS),
    ("grpc.max_reconnect_backoff_ms", 500),
    # A peer that restarts elsewhere keeps its name and changes its IP address: resolve it again as soon, for
    # gRPC by default does so every 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    # Pings notice a peer that vanished without a FIN, also while there are no calls to it. ping_timeout, by
    # default a minute, ends the connection: keepalive_timeout has no effect in gRPC.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
)


def options_for(timeout: float) -> tuple[tuple[str, int], ...]:
    """The options of a channel for a caller that waits `timeout` seconds: the call's deadline ends the wait,
    not the time limit for a connection or a ping. Of two options with the same name gRPC takes the first.
    """
    beyond = min(CONNECT_MS + round(timeout * 1000), _LONGEST_MS)
    own = dict.fromkeys(("grpc.min_reconnect_backoff_ms", "grpc.http2.ping_timeout_ms"), beyond)
    return tuple((dict(CHANNEL_OPTIONS) | own).items())
