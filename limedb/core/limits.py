"""How much one message of a client or a node may hold, and how large a record may be.

It owns these numbers. The limits between nodes leave room for whatever a node's settings allow: another node
may have other settings, and stored records were accepted under older ones.

Tested in tests/rpc/server/test_checks.py and tests/replication/test_peer_door.py.
"""

from limedb.core.record import Record, value_size

MAX_KEY_SIZE = 4096
"""Bytes of a key's UTF-8, for clients and peers."""
MAX_STORED_VALUE = 16 << 20
"""Bytes of a value between peers: the most that the setting MAX_VALUE_SIZE can be."""
SURE_KEY, SURE_VALUE = MAX_KEY_SIZE // 4, MAX_STORED_VALUE // 4
"""Characters that never take more bytes than the limits, whatever they are."""
MAX_RECORDS = 20_000
"""Records or keys of one message; a client's batch has half of it at most."""
MAX_PAGE = 10_000
"""Records of a page, beside those of its last token."""
MAX_SPANS = 4096
"""Ranges in one question."""
MAX_BATCH = 10_000
"""Items of a client's batch."""
MIN_IDEMPOTENCY_KEY, MAX_IDEMPOTENCY_KEY = 16, 64
"""Bytes of an idempotency key."""
MAX_ATTEMPT = 1_000_000
"""The greatest number of an attempt of one write."""
MAX_TTL_MS = 100 * 365 * 24 * 3600 * 1000
"""The longest time to live, in milliseconds: a hundred years."""
DEFAULT_HISTORY_SECONDS = 900
"""How far a report on the past goes back."""
USUAL_POINTS, MOST_POINTS = 180, 1000
"""The steps of such a report: unless a request says otherwise, and at most."""
MIN_WATCH_MS, DEFAULT_WATCH_MS, MAX_WATCH_MS = 100, 1000, 30_000
"""Milliseconds between two messages of WatchCluster. Envoy ends streams that are silent for a minute."""
MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE = 1000, 20
"""Keys of a page of ListKeys, and of a message of a scan at most."""
DEFAULT_SCAN_SIZE = 100
"""Keys of a message of a scan that names no size."""
MAX_ANSWER_BYTES = (4 << 20) - (64 << 10)
"""Bytes of an answer with several values: the default limit of gRPC clients, less some room for the rest."""
ENTRY_BYTES = 24
"""The most bytes of an entry of a list, beside its key and value: tags, lengths, the size."""
MAX_GOSSIP_SIZE = 2 << 20
"""Bytes of a gossip message."""
ABSURD_AHEAD_MS = 24 * 3600 * 1000
"""No clock gives a version or time further ahead than this, however wrong it is: such a claim is not
believed.
"""


def record_flaw(record: Record) -> str:
    """Why a record can't belong to this cluster; empty: it can. Values from before versions existed have
    version 0, tombstones never.
    """
    key, value, version, _ = record
    if len(key) > SURE_KEY and (size := len(key.encode())) > MAX_KEY_SIZE:
        return f"a key of {size} bytes, over the limit of {MAX_KEY_SIZE}"
    if value is None:
        return "" if version else "a tombstone without a version"
    if len(value) > SURE_VALUE and (size := value_size(value)) > MAX_STORED_VALUE:
        return f"a value of {size} bytes, over the limit of {MAX_STORED_VALUE}"
    return ""
