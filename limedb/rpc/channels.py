"""How every channel to a node is set up, by nodes and by those who ask them.

It owns the options of channels. It must never open one.
"""

MAX_MESSAGE = 64 << 20
"""The largest message that nodes accept, in bytes: a batch of clients' values, or a chunk between peers."""

CHANNEL_OPTIONS = (
    # A new channel starts anew, and does not share an old one's backoff.
    ("grpc.use_local_subchannel_pool", 1),
    # A peer that restarts is found again within half a second, instead of after gRPC's default backoff.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # A peer that restarts elsewhere keeps its name and changes its IP address: ask for it again as soon, for
    # gRPC does so every 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    # A peer that vanished without a FIN is noticed by pings, also while nothing is asked of it.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.enable_http_proxy", 0),
)
