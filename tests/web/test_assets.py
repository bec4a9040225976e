"""The dashboard's files through a real Envoy.

Tests limedb/rpc/server/dashboard.py.
"""

import gzip
import re
from pathlib import Path

import httpx
import pytest

from limedb.rpc.server.assets import BUILD

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

FIRST_LOAD = 300 * 1024


def referred(text: str) -> set[str]:
    """The files of the build that a page or a style names."""
    return {name.removeprefix("/") for name in re.findall(r"/?assets/[\w.-]+|/favicon\.svg", text)}


def first_load() -> dict[str, bytes]:
    """What a browser loads before anybody did anything: the page, what it names, what its styles name."""
    files = {"index.html": (BUILD / "index.html").read_bytes()}
    names = referred(files["index.html"].decode())
    names |= {f"assets/{font.name}" for font in (BUILD / "assets").glob("*.woff2")}
    return files | {name: (BUILD / name).read_bytes() for name in names}


def test_the_first_load_is_small_and_has_no_faker_in_it() -> None:
    files = first_load()
    assert {Path(name).suffix for name in files} == {".html", ".js", ".css", ".svg", ".woff2"}
    assert sum(len(gzip.compress(content)) for content in files.values()) < FIRST_LOAD
    others = {f"assets/{file.name}" for file in (BUILD / "assets").glob("*.js")} - files.keys()
    assert len(others) == 1  # the generator of seed data, loaded when it is used


@pytest.mark.parametrize("path", ["/", "/dashboard/nodes", "/dashboard/data", "/dashboard/seed"])
def test_a_page_is_the_index_and_may_do_little(rest: httpx.Client, path: str) -> None:
    answer = rest.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == (BUILD / "index.html").read_bytes()
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert policy["require-trusted-types-for"] == "'script'"


def test_files_are_sent_packed_with_their_types_and_kept_forever(rest: httpx.Client) -> None:
    types = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".woff2": "font/woff2",
    }
    for name, content in first_load().items():
        if not name.startswith("assets/"):
            continue
        answer = rest.get(f"/{name}", headers={"accept-encoding": "gzip"})
        assert answer.content == content
        assert answer.headers["content-type"] == types[Path(name).suffix]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["etag"].startswith('W/"')
        assert answer.headers.get("content-encoding") == (None if name.endswith("woff2") else "gzip")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/assets/..%2findex.html",
        "/assets/..%2f..%2frpc%2fkv.py",
        "/dashboard/..%2f..%2frpc%2fkv.py",
        "/assets//etc/passwd.x",
        "/assets/%00.js",
        "/nothing",
        "/index.html",
        "/favicon.svg/x",
        "/limedb/rpc/kv.py",
    ],
)
def test_what_is_no_file_of_the_build_is_not_found(rest: httpx.Client, path: str) -> None:
    answer = rest.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, 5)


def test_any_pinned_node_has_it(rest: httpx.Client, hosts: list[str]) -> None:
    answers = [rest.get("/", headers={"x-limedb-node": f"http://{host}"}).text for host in hosts]
    assert len(answers) == 4
    assert len(set(answers)) == 1
