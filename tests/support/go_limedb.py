"""A stand-in for a cluster of the Go LimeDB: its REST, as far as an import asks for it.

The real one can't be had where the tests run. This one answers as the real handlers did, which were tried
beside it by hand: pages of at most 100 of the node's own keys, sorted; an empty page after the last one; the
owner's value for a key, from every node; plain text for errors.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.children import join

HOST = "127.0.0.1"


class GoNode:
    """A node. keys: its own. name: its NODE_URL, by default where it answers. peers: whom it reports."""

    def __init__(self, cluster: "StandInCluster") -> None:
        self.cluster, self.keys = cluster, dict[str, str]()
        self.asked: list[str] = []
        """The paths of all requests."""
        self.answers_left: int | None = None
        """How many requests for pages it still answers; None: all."""
        self.fails_once: set[int] = set()
        """The pages that fail when they are asked for the first time."""
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, body = node.answer(self.path)
                text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.url = self.name = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name=self.url)
        self._thread.start()

    def stop(self) -> None:
        """Be gone: connections are refused from now on."""
        self._server.shutdown()
        self._server.server_close()
        join(self._thread)

    def answer(self, path: str) -> tuple[int, object]:
        """The status and body of a request."""
        self.asked.append(path)
        parts = urlsplit(path)
        fields = {name: values[0] for name, values in parse_qs(parts.query).items()}
        names = [node.name for node in self.cluster.nodes]
        if parts.path == "/api/v1/cluster/state":
            return 200, {"nodeUrl": self.name, "peers": names, "totalNodes": len(names), "status": "active"}
        if parts.path == "/api/v1/cluster/gossip" and self.cluster.gossips:
            return 200, {"peer_details": [{"url": url, "status": "dead"} for url in self.cluster.gossips]}
        if parts.path == "/api/v1/keys":
            return self._page(int(fields["page"]), min(int(fields["pageSize"]), 100))
        if parts.path.startswith("/api/v1/get/"):
            return self.cluster.get(unquote(parts.path.removeprefix("/api/v1/get/")))
        return 404, "Not Found"

    def _page(self, page: int, size: int) -> tuple[int, object]:
        if size == 100 and (self.answers_left == 0 or page in self.fails_once):
            self.fails_once.discard(page)
            return 500, "it broke"
        if size == 100 and self.answers_left:
            self.answers_left -= 1
        self.cluster.on_page()
        keys = sorted(self.keys)[(page - 1) * size : page * size]
        entries = [{"key": k, "value": self.keys[k], "size": len(self.keys[k].encode())} for k in keys]
        pages = -(-len(self.keys) // size)
        total = len(self.keys)
        return 200, {"keys": entries, "page": page, "pageSize": size, "total": total, "totalPages": pages}


class StandInCluster:
    """Some nodes. owners: the node that the ring has for a key, where it isn't the first one that holds it.
    gossips: URLs that only gossip knows.
    """

    def __init__(self) -> None:
        self.nodes: list[GoNode] = []
        self.owners: dict[str, GoNode] = {}
        self.gossips: list[str] = []

    def on_page(self) -> None:
        """What happens before each page: a test may replace it."""

    def get(self, key: str) -> tuple[int, object]:
        """What every node answers for a key."""
        holders = [node for node in self.nodes if key in node.keys]
        owner = self.owners.get(key, holders[0] if holders else None)
        if owner is None or key not in owner.keys:
            return 404, "key not found"
        return 200, {"value": owner.keys[key], "nodeUrl": owner.name}


@contextmanager
def go_cluster(count: int) -> Iterator[StandInCluster]:
    """A cluster for the time of the block."""
    with ExitStack() as stack:
        cluster = StandInCluster()
        for _ in range(count):
            node = GoNode(cluster)
            stack.callback(node.stop)
            cluster.nodes.append(node)
        yield cluster
