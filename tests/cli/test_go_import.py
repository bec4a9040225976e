"""`limedb import http://...`: a Go LimeDB that runs, of which tests/support/go_limedb.py is a stand-in.

Of limedb/cli/import_cluster.py.
"""

import json
from pathlib import Path

import pytest

from tests.support.clusters import limedb
from tests.support.go_limedb import GoNode, go_cluster


def stored(target: str) -> dict[str, str]:
    done = limedb("scan", "--limit", "0", "-o", "json", "--target", target)
    return {entry["key"]: entry["value"] for entry in map(json.loads, done.stdout.splitlines())}


def test_all_keys_of_a_running_go_cluster_are_stored(node: str) -> None:
    with go_cluster(3) as go:
        for number, each in enumerate(go.nodes):
            each.keys.update({f"{number}/{n}": f"ü{n}" for n in range(350)} | {"common": f"v{number}"})
        go.owners["common"] = go.nodes[2]
        done = limedb("import", go.nodes[1].url, "--target", node)
        assert (done.returncode, done.stdout) == (0, "")
        first, last = done.stderr.splitlines()
        assert first.startswith("reading 1,053 keys, copies included, of 3 nodes: http://127.0.0.1:")
        assert last == "1,052 keys stored, 0 bad keys"
        assert stored(node) == {key: value for each in go.nodes[::-1] for key, value in each.keys.items()} | {
            "common": "v2"
        }


def test_nodes_that_are_down_and_keys_that_are_bad_are_named_with_exit_code_4(node: str) -> None:
    with go_cluster(1) as go:
        gone = GoNode(go)
        gone.stop()
        go.gossips = [gone.name]
        go.nodes[0].keys.update({"": "v", "good": "v"})
        done = limedb("import", go.nodes[0].url, "--target", node)
        assert done.returncode == 4
        assert done.stderr.splitlines()[1:] == [
            f"key '' of node {go.nodes[0].name}: key is empty: a key has 1 to 4096 bytes of UTF-8",
            f"keys of node {gone.name} are missing, unless another node has them too: Connection refused",
            "1 keys stored, 1 bad keys",
        ]
        assert stored(node) == {"good": "v"}


@pytest.mark.process
def test_where_nothing_answers_nothing_is_stored() -> None:
    with go_cluster(1) as go:
        url = go.nodes[0].url
    done = limedb("import", url)
    assert done.returncode == 1
    assert done.stderr == f"Error: no node of a Go LimeDB answers: {url}: Connection refused\n"


@pytest.mark.process
def test_paths_and_the_case_of_schemes_make_no_difference() -> None:
    with go_cluster(1) as go:
        url = go.nodes[0].url
    done = limedb("import", f"{url.replace('http', 'HTTP')}/api/v1/,{url}/")
    assert done.stderr.startswith(f"Error: no node of a Go LimeDB answers: {url.replace('http', 'HTTP')}: ")
    assert "/api/v1" not in done.stderr


@pytest.mark.process
@pytest.mark.parametrize("name", ["localhost:9402", "http://localhost:1,localhost:9402", "[::1]:9402"])
def test_an_address_without_a_scheme_is_refused_with_the_form_that_is_meant(name: str) -> None:
    done = limedb("import", name)
    assert done.returncode == 2
    assert f"write http://{name.split(',')[-1]}" in done.stderr


@pytest.mark.process
def test_a_file_with_the_name_of_an_address_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "node1:8484").write_text("")
    done = limedb("import", str(tmp_path / "node1:8484"))
    assert "doesn't end in .jsonl, .csv or .json" in done.stderr


@pytest.mark.process
@pytest.mark.parametrize("option", ["--resume", "--restart", "--format=go"])
def test_options_of_files_are_refused(option: str) -> None:
    done = limedb("import", "http://127.0.0.1:1", option)
    assert done.returncode == 2
    assert "a running Go LimeDB is read as a whole: leave out --format, --resume, --restart" in done.stderr


@pytest.mark.cluster
def test_a_port_of_ours_is_named_as_such(node: str) -> None:
    done = limedb("import", f"http://{node}", "--target", node)
    assert done.returncode == 1
    assert "doesn't speak HTTP/1: is that a Go LimeDB's port?" in done.stderr


@pytest.mark.process
@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "https://",
        "http://[::1",
        "http://a:x",
        "http://a:99999",
        "http://a:\u0661",
        "http://a b",
        "http://user:secret@a:1",
        "http://a:1?x",
        "http://127.0.0.1:1,http://b:x",
    ],
)
def test_what_is_no_url_is_refused_in_one_line(url: str) -> None:
    done = limedb("import", url)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "is not a URL of a node" in line) == (2, True), line
