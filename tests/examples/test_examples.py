"""The examples of docs/languages.md, each in its language, against real nodes behind a real Envoy.

`make examples` builds them. What is not built, or has no toolchain here, is skipped by name.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from playwright.sync_api import expect

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.browser import running_browser
from tests.support.children import join
from tests.support.clusters import RunningCluster

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SECONDS = 120
PROGRAMS = {
    "go": ([str(ROOT / "build/examples/go")], "{address}", "SERVING"),
    "typescript": (["node", str(EXAMPLES / "typescript/build/node.js")], "{url}", "active"),
    "java": (
        ["java", "-cp", f"{EXAMPLES}/java/target/classes:{EXAMPLES}/java/target/lib/*", "Example"],
        "{address}",
        "SERVING",
    ),
    "rust": ([str(EXAMPLES / "rust/target/debug/limedb-example")], "{url}", "SERVING"),
}
"""The command of each language, the form of Envoy's address, and the word for health."""
BUILT = {
    "go": ROOT / "build/examples/go",
    "typescript": EXAMPLES / "typescript/build/node.js",
    "java": EXAMPLES / "java/target/classes/Example.class",
    "rust": EXAMPLES / "rust/target/debug/limedb-example",
}
PREFIXES = {"typescript": "ts"}


def lacking(language: str) -> str:
    """What is not there to run an example; empty: all is."""
    (program, *_), _, _ = PROGRAMS[language]
    if not BUILT[language].exists():
        return f"needs the example in {language} (make examples)"
    return "" if shutil.which(program) else f"needs {program}"


@pytest.mark.parametrize("language", PROGRAMS)
def test_an_example_sets_gets_scans_watches_and_reads_an_errors_reason(
    cluster: RunningCluster, language: str
) -> None:
    if reason := lacking(language):
        pytest.skip(reason)
    command, form, healthy = PROGRAMS[language]
    prefix = PREFIXES.get(language, language)
    store_largest(cluster, f"{prefix}/zest")
    address = form.format(address=cluster.envoy_address, url=cluster.envoy_url)
    done = subprocess.run(
        [*command, address], capture_output=True, text=True, timeout=SECONDS, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == lines_of(prefix, healthy)


def store_largest(cluster: RunningCluster, key: str) -> None:
    """Store a value of the default MAX_VALUE_SIZE, which a client without limits of its own can't receive."""
    with grpc.insecure_channel(cluster.envoy_address) as channel:
        kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key=key, value="z" * (4 << 20)), timeout=30)


@pytest.mark.browser
def test_the_example_in_typescript_runs_in_a_page_of_a_named_origin(
    cluster: RunningCluster, page_port: int
) -> None:
    if reason := lacking("typescript"):
        pytest.skip(reason)
    store_largest(cluster, "ts/zest")
    with serving(EXAMPLES / "typescript", page_port) as origin, running_browser() as browser:
        page = browser.new_page()
        page.goto(f"{origin}/browser.html?{cluster.envoy_url}")
        expect(page.locator("#end")).to_have_text("done")
        assert page.locator("#lines").inner_text().splitlines() == lines_of("ts", "active")


def lines_of(prefix: str, healthy: str) -> list[str]:
    """What each example prints."""
    return [
        "set: acked true",
        "get: green",
        "batch: written true",
        "batch: written true",
        *(f"scan: {prefix}/{fruit}" for fruit in ("apple", "lime", "plum", "zest")),
        f"watch: {prefix}/lime green",
        f"health: {healthy}",
        "error: KEY_NOT_FOUND",
    ]


class Quiet(SimpleHTTPRequestHandler):
    """A web server without a log."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """A folder on the web at a port, for the time of the block; its origin."""
    with ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            join(thread)
