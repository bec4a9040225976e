"""A cluster through REST, as Envoy publishes it.

It owns the HTTP requests of a load test. The library for them comes with the extra `limedb[bench]`.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
from yarl import URL

from limedb.core.quorum import Level
from limedb.errors import RemoteError, RequestTimeoutError, UnavailableError, reason_from

_OK, _NOT_FOUND = 200, 404


class RestTarget:
    """Envoy at base (http://host:port). level: of consistency; None: the nodes' default. timeout: seconds."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, level: Level | None, timeout: float
    ) -> None:
        self._session, self._base, self._timeout = session, base, timeout
        self._level = f"CONSISTENCY_{level.name}" if level else ""

    async def read(self, key: str) -> str | bytes | None:
        """See Target."""
        url = f"{self._base}/api/v1/get/{quote(key, safe='')}"
        query = f"?consistency={self._level}" if self._level else ""
        status, body = await self._ask("GET", url + query)
        if status == _NOT_FOUND:
            return None
        self._check(status, body)
        found = json.loads(body)
        return str(found["value"]) if "value" in found else str(found["blob"])

    async def write(self, key: str, value: str) -> None:
        """See Target."""
        content = {"key": key, "value": value} | ({"consistency": self._level} if self._level else {})
        self._check(*await self._ask("POST", f"{self._base}/api/v1/set", json.dumps(content).encode()))

    async def _ask(self, method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            async with self._session.request(method, URL(url, encoded=True), data=body) as answer:
                return answer.status, await answer.read()
        except TimeoutError:
            raise RequestTimeoutError(self._timeout, self._base) from None
        except aiohttp.ClientConnectorError:
            raise UnavailableError(f"nothing answers at {self._base}; is Envoy running there?") from None
        except aiohttp.ClientResponseError:
            raise UnavailableError(f"what answers at {self._base} is no Envoy: --rest asks Envoy") from None
        except aiohttp.ClientError as error:
            raise RemoteError(self._base, reason_from(type(error).__name__), "UNKNOWN", str(error)) from None

    def _check(self, status: int, body: bytes) -> None:
        if status != _OK:
            text = body.decode(errors="replace")
            raise RemoteError(self._base, f"HTTP {status}", "UNKNOWN", text)


@asynccontextmanager
async def rest_target(
    address: str, level: Level | None, timeout: float, node_url: str, workers: int
) -> AsyncIterator[RestTarget]:
    """Envoy at an address (host:port), for the time of the block. node_url: the one node to ask; empty: Envoy
    chooses. workers: connections, at most.
    """
    headers = {"content-type": "application/json"} | ({"x-limedb-node": node_url} if node_url else {})
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=workers),
        timeout=aiohttp.ClientTimeout(total=timeout),
        headers=headers,
    ) as session:
        yield RestTarget(session, f"http://{address}", level, timeout)
