"""The URLs of nodes, which are their names, and the addresses in them.

It owns the form of such a URL. It must never look up a host.

Tested in tests/test_config.py.
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_URL = 256
"""The most characters of a URL."""
_FORM = "a URL like http://node1:8484, with a port and without a path"


@lru_cache(maxsize=4096)  # every message of gossip has the same names
def address_of(url: str) -> str:
    """The host:port of a node URL. ValueError: it isn't http://HOST:PORT."""
    if len(url) > MAX_URL:
        raise ValueError(f"a URL of {MAX_URL} characters at most")
    host, port = split_url(url)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_url(url: str) -> tuple[str, int]:
    """The host and port of a node URL. ValueError, as below."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text names the unreadable part, but not the correct form
        raise ValueError(_FORM) from None
    if parts.scheme != "http" or not parts.hostname or port is None or url != f"http://{parts.netloc}":
        raise ValueError(_FORM)
    if "@" in parts.netloc or not re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", parts.netloc):
        raise ValueError(_FORM)
    return parts.hostname, port


def node_url(text: str) -> str:
    """A node's name as written, for the data is stored under it; only a trailing slash is removed."""
    url = text.rstrip("/")
    host, port = split_url(url)
    if port == 0 or _is_unspecified(host) or len(url) > MAX_URL:
        raise ValueError(
            f"a URL of {MAX_URL} characters at most that others can dial, like http://node1:8484: not port 0,"
            " and not an address such as 0.0.0.0, which only says where to listen"
        )
    return url


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host.strip("0.")


def node_urls(text: str) -> tuple[str, ...]:
    """The URLs of other nodes, in lower case, since hosts are case-insensitive."""
    return tuple(dict.fromkeys(node_url(part.strip()).lower() for part in text.split(",") if part.strip()))


def node_address(text: str) -> str:
    """The host:port of a setting; empty: none. ValueError: others can't dial it."""
    try:
        return address_of(node_url(f"http://{text}")) if text else ""
    except ValueError:
        raise ValueError("host:port that others can dial") from None
