"""A cluster through REST, as Envoy publishes it.

It owns the HTTP requests of a load test. The library for them comes with the extra `limedb[bench]`.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
from google.protobuf import json_format
from google.rpc import status_pb2
from typing_extensions import override
from yarl import URL

from limedb.core.quorum import Level
from limedb.errors import LimeDBError, RemoteError, RequestTimeoutError, UnavailableError, reason_from
from limedb.load.target import Target
from limedb.tls.bearer import bearer
from limedb.tls.target import Target as Asked
from limedb.tls.target import target_of
from limedb.wire import status as wire

_OK, _NOT_FOUND = 200, 404


class RestTarget(Target):
    """Envoy at base (http://host:port). level: of consistency; None: the nodes' default. timeout: seconds."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, level: Level | None, timeout: float
    ) -> None:
        self._session, self._base, self._timeout = session, base, timeout
        self._level = f"CONSISTENCY_{level.name}" if level else ""

    @override
    async def read(self, key: str) -> str | bytes | None:
        url = f"{self._base}/api/v1/get/{quote(key, safe='')}"
        query = f"?consistency={self._level}" if self._level else ""
        status, body = await self._ask("GET", url + query)
        if status == _NOT_FOUND:
            return None
        self._check(status, body)
        found = json.loads(body)
        return str(found["value"]) if "value" in found else str(found["blob"])

    @override
    async def write(self, key: str, value: str) -> None:
        content = {"key": key, "value": value} | ({"consistency": self._level} if self._level else {})
        self._check(*await self._ask("POST", f"{self._base}/api/v1/set", json.dumps(content).encode()))

    @override
    async def add(self, key: str) -> None:
        url = f"{self._base}/api/v1/increment"
        self._check(*await self._ask("POST", url, json.dumps({"key": key}).encode()))

    @override
    async def remove(self, key: str) -> None:
        self._check(*await self._ask("DELETE", f"{self._base}/api/v1/del/{quote(key, safe='')}"))

    async def _ask(self, method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            async with self._session.request(method, URL(url, encoded=True), data=body) as answer:
                return answer.status, await answer.read()
        except TimeoutError:
            raise RequestTimeoutError(self._timeout, self._base) from None
        except aiohttp.ClientConnectorError:
            raise UnavailableError(f"nothing answers at {self._base}; is Envoy running there?") from None
        except aiohttp.ClientResponseError:
            raise UnavailableError(f"the server at {self._base} is not Envoy: --rest asks Envoy") from None
        except aiohttp.ClientError as error:
            raise RemoteError(self._base, reason_from(type(error).__name__), "UNKNOWN", str(error)) from None

    def _check(self, status: int, body: bytes) -> None:
        if status != _OK:
            raise _error_of(self._base, status, body)


@asynccontextmanager
async def rest_target(
    asked: Asked | str, level: Level | None, timeout: float, node_url: str, workers: int
) -> AsyncIterator[RestTarget]:
    """Open Envoy (host:port: without TLS) for the block. node_url: the only node to ask; empty: any.
    workers: connections, at most.
    """
    to = target_of(asked).first
    headers = {"content-type": "application/json"} | ({"x-limedb-node": node_url} if node_url else {})
    headers |= dict(bearer(to.token))
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=workers, ssl=_context(to)),
        timeout=aiohttp.ClientTimeout(total=timeout),
        headers=headers,
    ) as session:
        yield RestTarget(session, to.url if to.tls else f"http://{to.address}", level, timeout)


def _context(to: Asked) -> ssl.SSLContext | bool:
    """The TLS context for aiohttp; True: its own."""
    tls = to.tls
    if tls is None or tls.ca is None:
        return True
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def _error_of(base: str, http_status: int, body: bytes) -> LimeDBError:
    """Return a node's error as itself; that of Envoy or of any other server by its HTTP status."""
    text = body.decode(errors="replace")
    status = status_pb2.Status()
    try:
        json_format.Parse(text, status, ignore_unknown_fields=True)
    except json_format.ParseError:
        remote = None
    else:
        remote = wire.error_from(base, status)
    if remote is None:
        return RemoteError(base, f"HTTP_{http_status}", "UNKNOWN", text)
    return wire.as_itself(remote, remote.text)
