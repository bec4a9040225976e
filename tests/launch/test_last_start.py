"""What a start without options starts; no process is needed to see it."""

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from limedb.errors import ConfigError, LaunchError
from limedb.launch.access import Access
from limedb.launch.addresses import Address
from limedb.launch.last_start import recall, remember, remember_nodes
from limedb.launch.places import Place, next_place, places_with_data
from limedb.launch.plan import LaunchPlan, environment, make_launch, next_node
from limedb.launch.records import Folder, Launch
from tests.support.ports import free_ports


@pytest.fixture
def ports() -> Any:
    with free_ports(4) as held:
        yield held


def with_data(folder: Path, name: str, port: int) -> None:
    """What a node leaves of its data, as far as its name goes."""
    (folder / name / f"{quote(f'http://127.0.0.1:{port}', safe='')}.lmdb").mkdir(parents=True)


def started(folder: Path, ports: list[int], **options: Any) -> tuple[LaunchPlan, Launch]:
    """A cluster of two nodes that was started, as far as its files go."""
    plan = recall(Folder(folder), nodes=2, base_port=ports[0], with_envoy=False, **options)
    launch = make_launch(plan)
    remember(plan, launch)
    return plan, launch


def test_without_options_it_is_the_last_start(tmp_path: Path, ports: list[int]) -> None:
    access = Access(("db.example.com",), (), Address("127.0.0.1", 9), ())
    before, _ = started(tmp_path, ports, settings={"ZONE": "attic"}, access_log=True, access=access, port=5)
    again = recall(Folder(tmp_path))
    assert (again.places, again.settings) == (before.places, before.settings)
    assert (again.with_envoy, again.access_log, again.access, again.port) == (False, True, access, 5)


def test_the_first_start_has_defaults(tmp_path: Path) -> None:
    first = recall(Folder(tmp_path))
    assert (first.nodes, first.base_port, first.port, first.with_envoy) == (4, 7001, 8484, True)


def test_given_options_win_and_settings_are_added(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    started(tmp_path, ports, settings={"ZONE": "attic", "LOG_LEVEL": "debug", "STORE": "memory"})
    monkeypatch.setenv("LOG_LEVEL", "error")
    again = recall(Folder(tmp_path), settings={"ZONE": "cellar"}, port=9)
    assert again.with_envoy, "an option of Envoy asks for Envoy"
    assert again.port == 9
    (first, _) = make_launch(recall(Folder(tmp_path), settings={"ZONE": "cellar"})).nodes
    assert (first.settings["ZONE"], first.settings["STORE"]) == ("cellar", "memory")
    assert environment(first)["LOG_LEVEL"] == "error", "the shell's setting of now wins over that of then"


def test_settings_of_the_shell_are_remembered(
    tmp_path: Path, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATION_FACTOR", "1")
    started(tmp_path, ports)
    monkeypatch.delenv("REPLICATION_FACTOR")
    assert recall(Folder(tmp_path)).settings["REPLICATION_FACTOR"] == "1"


def test_nodes_that_were_added_and_removed_count(tmp_path: Path, ports: list[int]) -> None:
    _, launch = started(tmp_path, ports)
    for node in launch.nodes:
        with_data(tmp_path, node.name, int(node.settings["SERVER_PORT"]))
    third = next_node(Folder(tmp_path), launch)
    remember_nodes(Folder(tmp_path), Launch((launch.nodes[0], third), None))
    places = recall(Folder(tmp_path)).places
    assert [place.name for place in places] == ["node1", "node3"]
    assert places[1].port == int(third.settings["SERVER_PORT"])


@pytest.mark.parametrize(
    ("given", "message"),
    [({"nodes": 3}, "--nodes=3: must be 2, or be left out"), ({"base_port": 1}, "--base-port=1: must be ")],
)
def test_another_count_or_port_than_that_of_the_data_is_refused(
    tmp_path: Path, ports: list[int], given: Any, message: str
) -> None:
    _, launch = started(tmp_path, ports)
    assert recall(Folder(tmp_path), **given).places != recall(Folder(tmp_path)).places, "nothing is bound yet"
    with_data(tmp_path, "node1", int(launch.nodes[0].settings["SERVER_PORT"]))
    with pytest.raises(ConfigError) as refused:
        recall(Folder(tmp_path), **given)
    assert str(refused.value).startswith(message)
    assert "limedb cluster add and remove" in str(refused.value)
    with pytest.raises(ConfigError):
        recall(Folder(tmp_path), forget=True, **given)


def test_without_data_another_count_keeps_the_ports(tmp_path: Path, ports: list[int]) -> None:
    started(tmp_path, ports, settings={"STORE": "memory"})
    assert recall(Folder(tmp_path), nodes=3).base_port == ports[0]
    assert recall(Folder(tmp_path), base_port=9).nodes == 2


def test_the_data_of_an_older_version_says_which_nodes_there_were(tmp_path: Path) -> None:
    """It left no plan.json."""
    for number, port in ((1, 17001), (2, 17002), (10, 17010)):
        with_data(tmp_path, f"node{number}", port)
    plan = recall(Folder(tmp_path))
    assert plan.places == (Place("node1", 17001), Place("node2", 17002), Place("node10", 17010))


def test_nodes_without_data_of_an_older_version_are_not_left_out(tmp_path: Path) -> None:
    """Their ports are unknown, so the options have to say them."""
    with_data(tmp_path, "node1", 17001)
    (tmp_path / "data.json").write_text(json.dumps({"nodes": ["node1", "node2"]}))
    assert recall(Folder(tmp_path), nodes=2, base_port=17001).places[1] == Place("node2", 17002)


def test_forgetting_takes_no_option_from_the_last_start(tmp_path: Path, ports: list[int]) -> None:
    started(tmp_path, ports, settings={"STORE": "memory"})
    assert recall(Folder(tmp_path), forget=True).settings == {}


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"places": 3, "access": {}}'])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(LaunchError, match=r"plan\.json is damaged.*--forget"):
        recall(Folder(tmp_path))
    assert recall(Folder(tmp_path), forget=True).nodes == 4


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path, ports: list[int]) -> None:
    started(tmp_path, ports)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"later": True}))
    assert recall(Folder(tmp_path)).nodes == 2


def test_a_closed_cluster_stays_closed(tmp_path: Path, ports: list[int]) -> None:
    _, launch = started(tmp_path, ports, auth=True)
    assert launch.nodes[0].settings["AUTH"] == "required"
    assert recall(Folder(tmp_path)).auth
    assert not recall(Folder(tmp_path), forget=True).auth, "then the plan refuses, and says why"


def test_a_port_that_a_node_needs_is_not_to_be_chosen_again(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with_data(tmp_path, "node1", taken.getsockname()[1])
        with pytest.raises(LaunchError, match=r"it is node1.s port") as refused:
            make_launch(recall(Folder(tmp_path), with_envoy=False))
    assert "choose another" not in str(refused.value)


def test_a_new_node_never_has_the_name_or_port_of_one_that_was(tmp_path: Path) -> None:
    with_data(tmp_path, "node1", 17001)
    with_data(tmp_path, "node5.removed", 17009)
    (tmp_path / "node6.log").touch()
    assert places_with_data(tmp_path) == (Place("node1", 17001),)
    assert next_place(tmp_path, (Place("node1", 17001),)) == Place("node6", 17010)
