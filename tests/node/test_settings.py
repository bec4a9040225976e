"""What a node makes of its configuration."""

import pytest

from limedb.config import load
from limedb.core.limits import MAX_ANSWER_BYTES
from limedb.node import settings as module
from limedb.node.settings import engine_settings, limit_settings, max_answer_bytes, max_memory_bytes

MIB = 1 << 20


def test_an_engine_has_the_settings_of_its_node() -> None:
    config = load({"NODE_URL": "http://n:1", "SERVER_PORT": "1", "ZONE": "z", "CONSISTENCY": "all"})
    settings = engine_settings(config)
    assert (settings.node_url, settings.zone, settings.level) == ("http://n:1", "z", "all")
    assert settings.max_read_size == max_answer_bytes(config)


@pytest.mark.parametrize(
    ("machine", "memory"), [(1 << 30, 256 * MIB), (8 << 30, 1024 * MIB), (1 << 40, 2048 * MIB)]
)
def test_memory_is_an_eighth_of_the_machines_within_bounds(
    machine: int, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: machine)
    assert max_memory_bytes(load({})) == memory
    assert max_memory_bytes(load({"MAX_MEMORY": "300MiB"})) == load({"MAX_MEMORY": "300MiB"}).max_memory


@pytest.mark.parametrize(("largest", "answer"), [("1MiB", MAX_ANSWER_BYTES), ("16MiB", 16 * MIB)])
def test_an_answer_holds_at_least_one_value_of_any_size(largest: str, answer: int) -> None:
    config = load({"MAX_VALUE_SIZE": largest})
    assert max_answer_bytes(config) == max(answer, config.max_value_size)


def test_a_client_may_hold_half_of_the_memory_unless_it_is_set() -> None:
    assert limit_settings(load({"MAX_MEMORY": "300MiB"})).size == 150 * MIB
    given = limit_settings(load({"CLIENT_BYTES": "10MiB", "CLIENT_RATE": "7", "CLIENT_SCANS": "3"}))
    assert (given.size, given.rate, given.scans) == (10 * MIB, 7, 3)
