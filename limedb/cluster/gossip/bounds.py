"""The bounds of an entry of a gossip message, whichever node sent it.

It owns the bounds of names, addresses and numbers. It must never judge whether an entry is true: `hearsay.py`
does. One bad entry is left out; the other entries of its message count.

Tested in tests/cluster/gossip/test_hearsay.py.
"""

import ipaddress
import math
import re
from dataclasses import astuple
from functools import lru_cache

from limedb.core.membership import NodeLoad, NodeState
from limedb.core.node_urls import LOOPBACK_HOSTS, MAX_URL, address_of

MAX_TEXT = 256
"""Characters of a zone or a version."""
MAX_ID = 64
"""Characters of a node_id: a UUID has 36."""
MAX_AHEAD_MS = 24 * 3600 * 1000
"""Milliseconds that a generation may be ahead of the own clock."""
MAX_EPOCH = 1 << 48
MAX_VIRTUAL_NODES = 4096
MAX_REPLICATION_FACTOR = 16
MAX_LOAD = 1e18
"""The largest value of each figure of a node's load."""
MAX_ENTRIES = 2000
"""Entries of each kind that are read from a message; a cluster has 1,000 members at most."""

_REMEMBERED = 4096
"""Verdicts on names and addresses that are kept: every message repeats those of all members."""
_METADATA = frozenset({"metadata", "metadata.google.internal", "instance-data"})


def flaw(state: NodeState, now_ms: int) -> str:
    """The flaw of a state, in a few words for the log; empty: it has none."""
    if not is_name(state.url):
        return "a name that can't be a node's"
    if not is_generation(state.generation, now_ms):
        return f"generation {state.generation}, more than a day ahead"
    if state.address and not is_address(state.address):
        return "an address that nobody may dial"
    if not (_is_text(state.zone, MAX_TEXT) and _is_text(state.version, MAX_TEXT)):
        return f"a zone or version that is not printable or over {MAX_TEXT} characters"
    if not _is_text(state.node_id, MAX_ID):
        return f"a node_id that is not printable or over {MAX_ID} characters"
    return _number_flaw(state)


def _number_flaw(state: NodeState) -> str:
    if state.epoch > MAX_EPOCH:
        return f"epoch {state.epoch}"
    if state.virtual_nodes > MAX_VIRTUAL_NODES or state.replication_factor > MAX_REPLICATION_FACTOR:
        return f"{state.virtual_nodes} virtual nodes, replication factor {state.replication_factor}"
    return "a load out of bounds" if state.load is not None and not _is_load(state.load) else ""


def is_generation(generation: int, now_ms: int) -> bool:
    """Whether a generation is not too far ahead of this node's clock."""
    return 0 <= generation <= now_ms + MAX_AHEAD_MS


def is_name(url: str) -> bool:
    """Whether a text can be a node's name: http://HOST:PORT that can be dialled."""
    return len(url) <= MAX_URL and _is_name(url)


@lru_cache(_REMEMBERED)
def _is_name(url: str) -> bool:
    try:
        return is_address(address_of(url))
    except ValueError:
        return False


def is_address(address: str) -> bool:
    """Whether a text is a HOST:PORT that peers may dial: no link-local address (clouds answer with
    credentials there), no multicast or unspecified one.
    """
    return len(address) <= MAX_URL and _is_address(address)


@lru_cache(_REMEMBERED)
def _is_address(address: str) -> bool:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})", address)
    if match is None or not 1 <= int(match[2]) <= 65535:
        return False
    host = match[1].strip("[]").lower().rstrip(".")
    if host in _METADATA or not host:
        return False
    ip = _ip(host)
    if ip is None:
        return not match[1].startswith("[")
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)


@lru_cache(_REMEMBERED)
def is_loopback(address: str) -> bool:
    """Whether an address (one that `is_address` passed) is on this machine itself, judged by its text."""
    host = address.rpartition(":")[0].strip("[]").lower().rstrip(".")
    ip = _ip(host)
    return host in LOOPBACK_HOSTS or host.endswith(".localhost") or (ip is not None and ip.is_loopback)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a host's text stands for, in all forms that resolvers accept (0xA9FEA9FE)."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return _old_ipv4(host)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _old_ipv4(host: str) -> ipaddress.IPv4Address | None:
    """The address that inet_aton reads: one to four numbers, the last fills the rest."""
    try:
        *high, last = [int(p, 8 if re.fullmatch(r"0[0-7]+", p) else 0) for p in host.split(".")]
    except ValueError:
        return None
    if (
        len(high) > 3
        or not all(0 <= part < 256 for part in high)
        or not 0 <= last < 1 << (32 - 8 * len(high))
    ):
        return None
    return ipaddress.IPv4Address(last + sum(part << (24 - 8 * i) for i, part in enumerate(high)))


def _is_text(text: str, most: int) -> bool:
    return len(text) <= most and (not text or text.isprintable())


def _is_load(load: NodeLoad) -> bool:
    return all(math.isfinite(figure) and 0 <= figure <= MAX_LOAD for figure in astuple(load))
