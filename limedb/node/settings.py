"""The values that a node derives from its configuration: the engine's settings, and limits that depend on the
machine.

It owns the derived values. It must never read the environment: `config.py` does.

Tested in tests/node/test_settings.py.
"""

from limedb import __version__
from limedb.config import Config
from limedb.core.limits import MAX_ANSWER_BYTES
from limedb.core.quorum import Level
from limedb.engine import Settings
from limedb.observability.machine import machine_memory
from limedb.rpc.server.limits import LimitSettings

LEAST_MEMORY_BYTES, MOST_MEMORY_BYTES = 256 << 20, 2 << 30
"""The bounds of MAX_MEMORY in bytes if it isn't set: then it is an eighth of the machine's."""


def engine_settings(config: Config) -> Settings:
    """The settings of the node's engine."""
    return Settings(
        node_url=config.node_url,
        address=config.advertise_address,
        seeds=config.node_peers,
        zone=config.zone,
        version=__version__,
        virtual_nodes=config.virtual_nodes,
        replication_factor=config.replication_factor,
        level=Level(config.consistency),
        gossip_interval=config.gossip_interval,
        may_found=config.may_found == "yes",
        dead_node_timeout=config.dead_node_timeout,
        tombstone_grace=config.tombstone_grace,
        max_clock_skew=config.max_clock_skew,
        repair_interval=config.repair_interval,
        scrub_interval=config.scrub_interval,
        max_read_size=max_answer_bytes(config),
    )


def max_memory_bytes(config: Config) -> int:
    """MAX_MEMORY; if it isn't set, an eighth of the machine's memory, within bounds."""
    derived = min(max(machine_memory() // 8, LEAST_MEMORY_BYTES), MOST_MEMORY_BYTES)
    return config.max_memory or derived


def limit_settings(config: Config) -> LimitSettings:
    """The limits of each client."""
    return LimitSettings(
        rate=config.client_rate,
        burst=config.client_burst,
        streams=config.client_streams,
        watches=config.client_watches,
        scans=config.client_scans,
        size=config.client_bytes or max_memory_bytes(config) // 2,
        cluster_watches=config.max_cluster_watches,
    )


def max_answer_bytes(config: Config) -> int:
    """How many bytes of values one answer may hold: at least one value of the largest size."""
    return max(MAX_ANSWER_BYTES, config.max_value_size)
