"""What is going to be started, and what is refused before anything is."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from limedb.errors import ConfigError, LaunchError
from limedb.launch.access import Access
from limedb.launch.addresses import Address
from limedb.launch.plan import LaunchPlan, environment, make_launch, show_nodes_to_envoy
from limedb.launch.records import Folder
from tests.support.ports import free_port, free_ports


@pytest.fixture
def ports() -> Any:
    with free_ports(3) as held:
        yield held


def plan(tmp_path: Path, ports: list[int], **changes: Any) -> LaunchPlan:
    return LaunchPlan(Folder(tmp_path), **{"nodes": 2, "base_port": ports[0], "port": ports[2], **changes})


def test_nodes_know_each_other_and_have_folders_of_their_own(tmp_path: Path, ports: list[int]) -> None:
    first, second = make_launch(plan(tmp_path, ports)).nodes
    assert (first.name, first.url, first.address) == (
        "node1",
        f"http://127.0.0.1:{ports[0]}",
        f"127.0.0.1:{ports[0]}",
    )
    assert (first.settings["NODE_PEERS"], second.settings["NODE_PEERS"]) == (second.url, first.url)
    assert first.settings["DATA_DIR"] == str(tmp_path / "node1")
    assert first.log == tmp_path / "node1.log"


@pytest.mark.process
def test_no_module_of_the_current_folder_becomes_a_node(tmp_path: Path, ports: list[int]) -> None:
    (tmp_path / "limedb.py").write_text("raise SystemExit('mine')")
    (node, _) = make_launch(plan(tmp_path / "cluster", ports)).nodes
    done = subprocess.run([*node.argv, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Run a node" in done.stdout) == (0, True), done.stderr


def test_given_settings_win_over_the_environment(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE", "filesystem")
    monkeypatch.setenv("ZONE", "cellar")
    monkeypatch.setenv("NODE_URL", "http://elsewhere:1")
    (node, _) = make_launch(
        plan(tmp_path, ports, settings={"STORE": "memory", "NODE_PEERS": "http://a:1"})
    ).nodes
    seen = environment(node)
    assert (seen["STORE"], seen["ZONE"], seen["NODE_URL"]) == ("memory", "cellar", node.url)
    assert seen["NODE_PEERS"] == "http://a:1"


def test_a_restart_keeps_the_settings_of_the_start(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (node, _) = make_launch(plan(tmp_path, ports)).nodes
    monkeypatch.setenv("STORE", "memory")
    assert "STORE" not in environment(node)


@pytest.mark.parametrize("name", ["NODE_URL", "SERVER_PORT", "DATA_DIR"])
def test_what_differs_from_node_to_node_cannot_be_set_for_all(
    tmp_path: Path, ports: list[int], name: str
) -> None:
    with pytest.raises(ConfigError, match=name):
        make_launch(plan(tmp_path, ports, settings={name: "x"}))


def test_a_bad_setting_is_reported_before_anything_starts(tmp_path: Path, ports: list[int]) -> None:
    with pytest.raises(ConfigError, match="STORE=floppy"):
        make_launch(plan(tmp_path, ports, settings={"STORE": "floppy"}))


def test_envoy_traces_where_the_nodes_do(tmp_path: Path, ports: list[int]) -> None:
    make_launch(plan(tmp_path, ports, settings={"OTEL_ENDPOINT": "collector:4317"}))
    clusters = yaml.safe_load((tmp_path / "envoy.yaml").read_text())["static_resources"]["clusters"]
    assert [cluster["name"] for cluster in clusters] == ["nodes", "otel"]


@pytest.mark.parametrize("endpoint", [None, ""])
def test_envoy_does_not_trace_unless_told_to(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    monkeypatch.delenv("OTEL_ENDPOINT", raising=False)
    make_launch(plan(tmp_path, ports, settings={} if endpoint is None else {"OTEL_ENDPOINT": endpoint}))
    assert "otel" not in (tmp_path / "envoy.yaml").read_text()


def test_a_larger_value_makes_room_for_a_larger_body(tmp_path: Path, ports: list[int]) -> None:
    make_launch(plan(tmp_path, ports, settings={"MAX_VALUE_SIZE": "8MiB"}))
    assert f"max_request_bytes: {48 * 1024 * 1024 + 65536}" in (tmp_path / "envoy.yaml").read_text()


def test_without_envoy_installed_it_says_what_to_do(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limedb.launch.envoy.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match=r"limedb\[envoy\].*--no-envoy"):
        make_launch(plan(tmp_path, ports))
    assert make_launch(plan(tmp_path, ports, with_envoy=False)).envoy is None


@pytest.mark.parametrize("changes", [{"nodes": 0}, {"nodes": 65}, {"base_port": 65_535}, {"port": 0}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, ports: list[int], changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        make_launch(plan(tmp_path, ports, **changes))


DECOMMISSION = "AdminService/Decommission|"


def published(folder: Path, name: str = "routes") -> str:
    """The calls that a listener publishes, as its routes have them."""
    (routes,) = yaml.safe_load((folder / f"{name}.yaml").read_text())["resources"]
    return next(
        matcher["string_match"]["safe_regex"]["regex"].replace("\\", "")
        for route in routes["virtual_hosts"][0]["routes"]
        for matcher in route["match"].get("headers", ())
        if matcher["name"] == ":path" and matcher.get("invert_match")
    )


def test_operators_calls_are_published_where_only_this_machine_reaches_envoy(
    tmp_path: Path, ports: list[int]
) -> None:
    make_launch(plan(tmp_path, ports))
    assert DECOMMISSION in published(tmp_path)
    assert "SetDirect" not in published(tmp_path)
    launch = make_launch(plan(tmp_path, ports, host="0.0.0.0", insecure=True))
    assert DECOMMISSION not in published(tmp_path)
    assert launch.access.operators is None


def test_operators_may_have_an_address_of_their_own(tmp_path: Path, ports: list[int]) -> None:
    with free_port() as own:
        make_launch(plan(tmp_path, ports, nodes=1, access=Access(operators=Address("127.0.0.1", own))))
    assert (DECOMMISSION in published(tmp_path), DECOMMISSION in published(tmp_path, "operators")) == (
        False,
        True,
    )
    config = yaml.safe_load((tmp_path / "envoy.yaml").read_text())
    names = [listener["name"] for listener in config["static_resources"]["listeners"]]
    assert names == ["limedb", "limedb-operators"]


def test_a_node_that_is_added_changes_nothing_of_the_access(tmp_path: Path, ports: list[int]) -> None:
    access = Access(("a.b",), ("https://app.example.com",), None, ("direct",))
    given = plan(tmp_path, ports, access=access)
    given.folder.write(make_launch(given))
    before = (tmp_path / "routes.yaml").read_text()
    assert "https://app.example.com" in before
    (tmp_path / "routes.yaml").unlink()
    show_nodes_to_envoy(given.folder, given.folder.read())
    assert (tmp_path / "routes.yaml").read_text() == before


def test_a_cluster_of_an_older_version_keeps_what_it_published(tmp_path: Path, ports: list[int]) -> None:
    given = plan(tmp_path, ports)
    given.folder.write(make_launch(given))
    content = json.loads(given.folder.launch_file.read_text())
    del content["access"]
    given.folder.launch_file.write_text(json.dumps(content))
    show_nodes_to_envoy(given.folder, given.folder.read())
    assert DECOMMISSION in published(tmp_path)
    assert "KVService/SetDirect" in published(tmp_path)


@pytest.mark.parametrize("option", ["auth", "tls"])
def test_a_closed_cluster_is_not_opened_by_an_option_that_was_forgotten(
    tmp_path: Path, ports: list[int], option: str
) -> None:
    make_launch(plan(tmp_path, ports, **{option: True}))
    with pytest.raises(LaunchError, match=f"was started with --{option}"):
        make_launch(plan(tmp_path, ports))
    make_launch(plan(tmp_path, ports, **{option: True}))


def test_a_file_is_no_folder_of_a_cluster(tmp_path: Path, ports: list[int]) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(LaunchError, match="can't be the folder of a cluster"):
        make_launch(plan(file, ports))
