"""Checks of the arguments of calls, before a call shares a batch with others.

It owns the meaning of keys, values, levels, times and addresses in the client's functions. It must never send
anything.

Tested in tests/client/test_client.py.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from limedb.core.limits import MAX_KEY_SIZE, MAX_STORED_VALUE, MAX_TTL_MS
from limedb.core.moment import MAX_EXPIRES_AT_MS, can_expire, moment_of
from limedb.core.quorum import Level
from limedb.errors import (
    ConfigError,
    InvalidKeyError,
    InvalidRequestError,
    MalformedRequestError,
    ValueTooLargeError,
    brief,
)
from limedb.tls.bearer import Token, is_word
from limedb.tls.target import ClientTls, PathText, client_tls
from limedb.wire.levels import consistency_of
from limedbpb.v1 import record_pb2

Value = str | bytes
Consistency = Level | str | None
Duration = float | timedelta
Moment = float | datetime
"""Seconds since 1970, as time.time() has them, or a datetime with a time zone."""
T = TypeVar("T", Duration, Moment)

_CLUSTER_ID = re.compile("[0-9a-f]{16}")
MAX_TIMEOUT_SECONDS = 300
"""The longest timeout of a call."""
MAX_WAIT_SECONDS = 24 * 3600
"""The longest time that `open` waits for a cluster."""


def level_of(consistency: Consistency) -> record_pb2.Consistency:
    """Return the level's number; None: the node's default. InvalidRequestError: there is no such level."""
    try:
        return consistency_of(Level(consistency) if consistency is not None else None)
    except ValueError:
        allowed = ", ".join(level.value for level in Level)
        raise InvalidRequestError(f"consistency={consistency!r}: must be one of {allowed}") from None


def check_key(key: object) -> None:
    """Raise InvalidRequestError unless this can be a key: text in UTF-8, neither empty nor too long."""
    if not isinstance(key, str):
        raise InvalidRequestError(f"key {key!r}: must be a str")
    try:
        size = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError:
        raise MalformedRequestError(f"key {key!r} can't be written as UTF-8") from None
    if not 1 <= size <= MAX_KEY_SIZE:
        raise InvalidKeyError(size, MAX_KEY_SIZE)


def keys_of(keys: Iterable[str]) -> dict[str, None]:
    """Return the keys of a call, each once and in their order. InvalidRequestError: the argument isn't a
    collection (a single key's letters would count as keys), or an item can't be a key.
    """
    if isinstance(keys, str | bytes | bytearray) or not isinstance(keys, Iterable):
        raise InvalidRequestError(f"keys={shown(keys)}: must be a list, or another iterable, of keys")
    found = list(keys)
    for key in found:
        check_key(key)
    return dict.fromkeys(found)


def check_values(values: object) -> None:
    """InvalidRequestError: the argument isn't a mapping of values by key."""
    if not isinstance(values, Mapping):
        raise InvalidRequestError(f"values={shown(values)}: must be a dict, or another mapping, by key")


def check_value(key: str, value: object) -> None:
    """Raise InvalidRequestError unless this can be a value: bytes, or text in UTF-8, no larger than any node
    takes. A node's own limit may be lower (MAX_VALUE_SIZE).
    """
    if isinstance(value, str | bytes) and len(value) > MAX_STORED_VALUE:
        raise ValueTooLargeError(key, len(value), MAX_STORED_VALUE)
    if isinstance(value, bytes):
        return
    if not isinstance(value, str):
        kind = type(value).__name__
        raise InvalidRequestError(f"value of key {key!r}: must be a str or bytes, is {kind}")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise MalformedRequestError(
            f"value of key {key!r} can't be written as UTF-8: store it as bytes (a blob)"
        ) from None
    if size > MAX_STORED_VALUE:
        raise ValueTooLargeError(key, size, MAX_STORED_VALUE)


def check_text(name: str, text: object) -> None:
    """Raise InvalidRequestError unless this can begin a key: text in UTF-8, empty or no longer than a key.
    name: of the argument, such as prefix.
    """
    if not isinstance(text, str):
        raise InvalidRequestError(f"{name}={text!r}: must be a str")
    if text:
        check_key(text)


def cluster_of(cluster_id: str) -> str:
    """Return a cluster's id. InvalidRequestError: it is neither 16 hex digits nor empty."""
    if cluster_id and not (isinstance(cluster_id, str) and _CLUSTER_ID.fullmatch(cluster_id)):
        raise InvalidRequestError(
            f"cluster_id={shown(cluster_id)}: must be 16 hex digits, as `limedb admin status` shows them"
        )
    return cluster_id


def milliseconds(ttl: Duration | None) -> int:
    """Return a time to live (seconds, or a timedelta) in milliseconds, at least 1; 0 for None: forever."""
    if ttl is None:
        return 0
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not (is_number(seconds) and 0 < seconds * 1000 <= MAX_TTL_MS):
        raise InvalidRequestError(f"ttl={shown(ttl)}: must be more than 0 s, and no more than 100 years")
    return max(1, round(seconds * 1000))


def moment_ms(expires_at: Moment) -> int:
    """Return a moment in milliseconds since 1970."""
    if isinstance(expires_at, datetime):
        date = moment_of(expires_at)
        if date is None:
            raise InvalidRequestError(
                f"expires_at={expires_at!r} has no time zone: use datetime.now(UTC), for example"
            )
        moment = date
    else:
        is_near = is_number(expires_at) and 0 < expires_at * 1000 <= MAX_EXPIRES_AT_MS
        moment = round(expires_at * 1000) if is_near else 0
    if not can_expire(moment):
        raise InvalidRequestError(
            f"expires_at={shown(expires_at)}: must be seconds since 1970, or a datetime, from 1973 to 9999"
        )
    return moment


def of_each(
    name: str, given: T | Mapping[str, T] | None, keys: Mapping[str, object], convert: Callable[[T], int]
) -> Mapping[str, int]:
    """Return an option by key, of those keys that have it. given: the option of all, or of some by key.
    convert: returns an option as a number. InvalidRequestError: an option makes no sense, or its key is none
    of these.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(keys, convert(given))
    found = {}
    for key, option in given.items():
        if key not in keys:
            raise InvalidRequestError(f"{name} of key {key!r:.80}: it is not among the values")
        try:
            found[key] = convert(option) if option is not None else 0
        except InvalidRequestError as error:
            raise InvalidRequestError(f"key {brief(key)}: {error}") from None
    return found


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """Return an option that is a whole number. InvalidRequestError: it isn't, or out of its range."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidRequestError(f"{name}={shown(value)}: must be a whole number from {low} to {high}")
    return value


def flag(name: str, value: object) -> bool:
    """Return an option that is True or False. InvalidRequestError: it is neither."""
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name}={shown(value)}: must be True or False")
    return value


def seconds_of(timeout: Duration, name: str = "timeout", most: int = MAX_TIMEOUT_SECONDS) -> float:
    """Return a timeout in seconds: 5 minutes at most, since nodes remember applied writes for 10."""
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if not (is_number(seconds) and 0 < seconds <= most):
        raise InvalidRequestError(
            f"{name}={shown(timeout)}: must be more than 0 s, and no more than {most} s"
        )
    return seconds


def addresses_of(text: str) -> tuple[str, ...]:
    """Return the addresses in "host:port,host:port"; each may be a URL, such as http://host:port."""
    if not isinstance(text, str):
        raise InvalidRequestError(
            f"addresses={shown(text)}: must be one str, with several addresses separated by commas"
        )
    found = tuple(dict.fromkeys(_address(part.strip()) for part in text.split(",") if part.strip()))
    if not found:
        raise InvalidRequestError(f"addresses={text!r}: must be host:port, or several separated by commas")
    return found


def token_of(token: object) -> Token | None:
    """Return a token, or the function that returns it. InvalidRequestError, whose text doesn't contain it."""
    if token is None or callable(token):
        return token
    if not is_word(token):
        raise InvalidRequestError("token: must be one word of ASCII, or a function that returns it")
    return token


def tls_of(
    addresses: object, ca: PathText | None, cert: PathText | None, key: PathText | None
) -> ClientTls | None:
    """Return the TLS of a client, or None: without TLS. InvalidRequestError: some addresses are https and
    some http, or a certificate has no key.
    """
    parts = [part.strip() for part in addresses.split(",")] if isinstance(addresses, str) else []
    schemes = {part.partition("://")[0] for part in parts if "://" in part}
    if "https" in schemes and len(schemes) > 1:
        raise InvalidRequestError(f"addresses={addresses!r}: must all be https, or none")
    if "http" in schemes and (ca or cert):
        raise InvalidRequestError(
            f"addresses={addresses!r}: must be host:port or https, with tls_ca or tls_cert"
        )
    for name, path in (("tls_ca", ca), ("tls_cert", cert), ("tls_key", key)):
        if path is not None and not isinstance(path, str | os.PathLike):
            raise InvalidRequestError(f"{name}={shown(path)}: must be the path of a file")
    try:
        return client_tls(ca, cert, key, "https" in schemes)
    except ConfigError as error:
        raise InvalidRequestError(str(error)) from None


def shown(value: object) -> str:
    """A value in an error; Python refuses to print an int of some thousand digits."""
    is_long = isinstance(value, int) and value.bit_length() > 256
    return "a far larger number" if is_long else f"{value!r:.80}"


def is_number(value: object) -> bool:
    """Whether it is a number, which True is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _address(part: str) -> str:
    try:
        parts = urlsplit(part if "://" in part else f"//{part}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequestError(f"address {part!r:.80}: must be host:port") from None
    has_more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not host or not port or has_more or parts.scheme not in ("", "http", "https"):
        raise InvalidRequestError(f"address {part!r:.80}: must be host:port")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
