"""The REST of a Go LimeDB's node, as far as an import needs it.

It owns the form of requests and answers, and the words for what fails. It must never write, and never wait
longer than ANSWER_SECONDS for a sign of life.

Tested in tests/bulk/test_go_cluster.py.
"""

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import ijson

from limedb.errors import BulkError

PAGE_SIZE = 100
"""The most keys that a Go LimeDB puts in a page."""
ANSWER_SECONDS = 30.0
"""How long a node may be silent: it may read its whole file for each key of a page."""


class GoRestError(Exception):
    """A node didn't answer, or not as a Go LimeDB does. The text is one line."""


class State(NamedTuple):
    """A node's report of itself and of others."""

    name: str
    """Its NODE_URL."""
    peers: Sequence[str]
    """The URLs that its ring and its gossip know, perhaps its own too."""


class GoRest:
    """The REST of the node at a URL. Each method sends one request or two; GoRestError."""

    def __init__(self, url: str) -> None:
        self.url = url

    def state(self) -> State:
        """The node's name and peers. BulkError: it isn't a Go LimeDB, but one of ours."""
        state = self._object("/api/v1/cluster/state")
        if "clusterId" in state:
            raise BulkError(
                f"{self.url} isn't a Go LimeDB but a LimeDB like this one: send its keys by `limedb export"
                " - --target HOST:PORT | limedb import - --format jsonl`"
            )
        name = state.get("nodeUrl")
        if not isinstance(name, str):
            raise GoRestError("its answer isn't that of a Go LimeDB")
        return State(name, [*_texts(state.get("peers")), *self._gossiped()])

    def total(self) -> int:
        """How many keys the node itself holds."""
        total = self._object("/api/v1/keys?page=1&pageSize=1").get("total")
        if not isinstance(total, int):
            raise GoRestError("its list of keys has no total")
        return total

    def page(self, page: int) -> list[tuple[str, str]]:
        """A page of the node's own keys with their values; empty after the last one."""
        with self._answer(f"/api/v1/keys?page={page}&pageSize={PAGE_SIZE}") as answer:
            return [_entry(entry) for entry in ijson.items(answer, "keys.item")]

    def get(self, key: str) -> str:
        """The value that the cluster has for a key: the node asks the key's owner."""
        value = self._object(f"/api/v1/get/{quote(key, safe='')}").get("value")
        if not isinstance(value, str):
            raise GoRestError("its answer has no value")
        return value

    def _gossiped(self) -> list[str]:
        """Some versions have no gossip."""
        try:
            peers = self._object("/api/v1/cluster/gossip").get("peer_details")
        except GoRestError:
            return []
        found = peers if isinstance(peers, list) else []
        return _texts([peer.get("url") for peer in found if isinstance(peer, dict)])

    def _object(self, path: str) -> dict[str, object]:
        with self._answer(path) as answer:
            found = json.load(answer)
            if not isinstance(found, dict):
                raise GoRestError("its answer isn't a JSON object")
            return found

    @contextmanager
    def _answer(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """The body of an answer with status 200, for the time of the block."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = None
        try:
            connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
            connection.request("GET", parts.path + path)
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise GoRestError(
                    f"status {answer.status}: {answer.read(200).decode(errors='replace').strip()}"
                )
            yield answer
        except http.client.BadStatusLine:
            raise GoRestError(
                "what answers there doesn't speak HTTP/1: is that a Go LimeDB's port?"
            ) from None
        except (OSError, http.client.HTTPException, ValueError, ijson.JSONError) as error:
            raise GoRestError(_words(error)) from None
        finally:
            if connection is not None:
                connection.close()


def _entry(entry: object) -> tuple[str, str]:
    key, value = (entry.get("key"), entry.get("value")) if isinstance(entry, dict) else (None, None)
    if not isinstance(key, str) or not isinstance(value, str):
        raise GoRestError(f"its list has an entry without a key and a value: {str(entry)[:80]}")
    return key, value


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _words(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0]
