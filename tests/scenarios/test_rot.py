"""Flipped bits in one node's data.mdb, in a real cluster: no read through any node returns anything that
nobody wrote, and the node is mended from the others. The argument and the simulation:
`replication/repair/healing.py`, tests/simulation/test_rot.py.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import pytest

from limedb.errors import LimeDBError
from limedb.operator.admin import admin_client
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.members import LEVELS, ONE, QUORUM, SECONDS, is_settled, status
from tests.support.clusters import Node, RunningCluster, limedb, running_cluster
from tests.support.processes import is_gone
from tests.support.waiting import wait_for

KEYS = {f"rot-{i:03}": f"the value of {i:03}, and some more of it" for i in range(150)}
DATA_LOSS = 15
PAGE = 4096


def test_flipped_bits_of_one_node_are_told_to_nobody_and_mended(breakable: RunningCluster) -> None:
    first, *_ = breakable.nodes
    _write(first, KEYS)
    _stop_settled(breakable, first)
    _flip(breakable, first, {"rot-003": _value, "rot-007": _version, "rot-149": _place, "rot-013": _index})
    breakable.restart(first.name)
    for node in breakable.nodes:
        for level in LEVELS:
            _check_read(node, level)
    for node in breakable.nodes:
        wait_for("a whole scan", lambda node=node: _scan(node) == KEYS, ignore=grpc.RpcError)
    assert "index entries mended" in _scrub(first)
    assert re.search(
        r"\d+ records checked, 0 damaged, 0 mended from other replicas, 0 index entries", _scrub(first)
    )
    wait_for("everything is mended", lambda: _scan(first, local=True) == KEYS, ignore=grpc.RpcError)
    assert any("damaged" in problem for problem in status(first).problems)


def test_what_is_damaged_under_a_running_node_is_told_to_nobody_and_mended(breakable: RunningCluster) -> None:
    """Through another descriptor, while LMDB has it mapped: first some values, then every second page."""
    *others, victim = breakable.nodes
    _write(victim, KEYS)
    assert _scan(victim, local=True) == KEYS  # the tables have everything
    path = _folder(breakable, victim) / "data.mdb"
    _flip_running(path, [*KEYS.values()][:20])
    for node in breakable.nodes:
        for level in LEVELS:
            _check_read(node, level)
    assert _scan(victim, local=True) == KEYS  # and again, with what was mended: no page is about to be copied
    _flip_running(path, [*KEYS.values()][20:30])
    assert "10 damaged" in _scrub(victim)
    assert _scan(victim, local=True) == KEYS
    _zero_running(path)
    wait_for("the node to end", lambda: not _reads(victim) and is_gone(breakable.pid(victim.name)))
    assert re.search("was damaged while it was in use|Fatal Python error", victim.log.read_text())
    for node in others:
        assert _read(node, QUORUM) == KEYS
    breakable.restart(victim.name)
    wait_for("the node to be back", lambda: is_settled(victim, breakable.nodes), 60.0, LimeDBError)
    assert _read(victim, QUORUM) == _scan(victim) == KEYS


def test_a_single_copy_that_is_damaged_is_data_loss_until_it_is_written_anew(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, env={"REPLICATION_FACTOR": "1"}, envoy=False) as cluster:
        (node,) = cluster.nodes
        _write(node, KEYS)
        _stop_settled(cluster, node)
        _flip(cluster, node, {"rot-003": _value, "rot-149": _place})
        cluster.restart(node.name)
        lost = {"rot-003", "rot-149"}
        results = _batch_get(node, [*KEYS, "absent"], ONE)
        assert {
            key for key, result in zip(KEYS, results, strict=False) if result.error.code == DATA_LOSS
        } == lost
        assert _values(KEYS, results) == {key: value for key, value in KEYS.items() if key not in lost}
        assert not results[-1].found
        assert not results[-1].error.code
        wait_for(
            "status reports it", lambda: any("write those keys again" in p for p in status(node).problems)
        )
        (told,) = (p for p in status(node).problems if "write those keys again" in p)
        assert ("'rot-003'" in told, "'rot-149'" in told, "they are fetched" in told) == (True, True, False)
        for result in _batch_get(node, sorted(lost), ONE):
            assert "no other replica has it" in result.error.message
        with pytest.raises(grpc.RpcError, match="no other replica has it"):
            _scan(node)
        scrubbed = limedb("admin", "scrub", "--target", node.address)
        assert "0 damaged besides 2 already known" in scrubbed.stdout
        assert "2 records are still damaged, and no replica has 2 of them" in scrubbed.stderr
        _write(node, dict.fromkeys(lost, "new"))
        assert _read(node, QUORUM) == KEYS | dict.fromkeys(lost, "new")
        assert _scan(node) == KEYS | dict.fromkeys(lost, "new")


# --- what is damaged: from the file's bytes and a key to the bit that is flipped

Place = Callable[[bytes, bytes, bytes], int]


def _value(data: bytes, key: bytes, value: bytes) -> int:
    """A bit of the value."""
    return 8 * (_only(data, value) + 20) + 1


def _version(data: bytes, key: bytes, value: bytes) -> int:
    """A bit of the version, in front of the key in the record."""
    return 8 * (data.index(b"\x22" + bytes((len(key),)) + key) - 4) + 2


def _place(data: bytes, key: bytes, value: bytes) -> int:
    """A bit of the key in the tree, which stands in front of the checksum and the record; of the last key, so
    that the tree stays in order: else the file is damaged as a whole.
    """
    record = data.index(b"\x22" + bytes((len(key),)) + key) - 9
    assert data[record - 8 - len(key) : record - 8] == key
    return 8 * (record - 9) + 6


def _index(data: bytes, key: bytes, value: bytes) -> int:
    """A bit of what the index remembers: it stands behind the key there."""
    at = -1
    while (at := data.index(key, at + 1)) is not None:
        if (
            data[at - 2 : at] != b"\x22" + bytes((len(key),))
            and data[at + len(key) + 8 : at + len(key) + 9] != b"\x09"
        ):
            return 8 * (at + len(key) + 3)
    raise AssertionError


def _only(data: bytes, part: bytes) -> int:
    assert data.count(part) == 1, f"{part!r} stands {data.count(part)} times in the file"
    return data.index(part)


def _flip(cluster: RunningCluster, node: Node, bits: dict[str, Place]) -> None:
    path = _folder(cluster, node) / "data.mdb"
    data = bytearray(path.read_bytes())
    for key, place in bits.items():
        bit = place(bytes(data), key.encode(), KEYS[key].encode())
        data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def _flip_running(path: Path, values: Sequence[str]) -> None:
    """Flip a bit of values wherever they stand, in the file itself."""
    data = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for value in values:
            for found in re.finditer(re.escape(value.encode()), data):
                os.pwrite(file.fileno(), bytes((data[found.start() + 9] ^ 4,)), found.start() + 9)


def _zero_running(path: Path) -> None:
    with path.open("r+b", buffering=0) as file:
        for page in range(2, path.stat().st_size // PAGE, 2):
            os.pwrite(file.fileno(), bytes(PAGE), page * PAGE)


def _folder(cluster: RunningCluster, node: Node) -> Path:
    """Where a node keeps its records."""
    return next(cluster.folder.rglob(node.url.replace("/", "%2F") + ".lmdb"))


def _stop_settled(cluster: RunningCluster, node: Node) -> None:
    """Kill a node whose tables have everything, so that its log doesn't bring it back."""
    assert _scan(node, local=True) == KEYS
    folder = _folder(cluster, node)
    wait_for("the log is empty", lambda: sum(p.stat().st_size for p in folder.glob("log-*")) <= 8)
    cluster.kill(node.name)


# --- what clients do


def _write(node: Node, values: dict[str, str]) -> None:
    with grpc.insecure_channel(node.address) as channel:
        writes = [kv_pb2.BatchWrite(key=key, value=value) for key, value in values.items()]
        request = kv_pb2.BatchSetRequest(writes=writes, consistency=QUORUM)
        results = kv_pb2_grpc.KVServiceStub(channel).BatchSet(request, timeout=SECONDS).results
    assert not [result.error for result in results if result.error.code]


def _batch_get(node: Node, keys: Sequence[str], level: int) -> Sequence[kv_pb2.BatchGetResult]:
    with grpc.insecure_channel(node.address) as channel:
        request = kv_pb2.BatchGetRequest(keys=keys, consistency=level)  # type: ignore[arg-type]
        return list(kv_pb2_grpc.KVServiceStub(channel).BatchGet(request, timeout=SECONDS).results)


def _values(keys: Sequence[str] | dict[str, str], results: Sequence[kv_pb2.BatchGetResult]) -> dict[str, str]:
    return {key: result.value for key, result in zip(keys, results, strict=False) if result.found}


def _read(node: Node, level: int) -> dict[str, str]:
    return _values(KEYS, _batch_get(node, [*KEYS], level))


def _reads(node: Node) -> bool:
    """Whether a node still answers."""
    try:
        return bool(_batch_get(node, [*KEYS], ONE))
    except grpc.RpcError:
        return False


def _scrub(node: Node) -> str:
    done = limedb("admin", "scrub", "--target", node.address)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _check_read(node: Node, level: int) -> None:
    """All values are right; ALL may lack a replica until that is mended, and says so."""
    results = _batch_get(node, [*KEYS], level)
    assert not [key for key, r in zip(KEYS, results, strict=True) if not r.found and not r.error.code]
    assert _values(KEYS, results).items() <= KEYS.items()
    wait_for("all is read", lambda: _read(node, level) == KEYS)


def _scan(node: Node, local: bool = False) -> dict[str, str]:
    with grpc.insecure_channel(node.address) as channel:
        request = kv_pb2.ScanRequest(prefix="rot-", page_size=1000, local=local)
        pages = kv_pb2_grpc.KVServiceStub(channel).Scan(request, timeout=SECONDS)
        return {entry.key: entry.value for page in pages for entry in page.entries}


def test_a_scrub_through_the_client_tells_its_progress(replicated: RunningCluster) -> None:
    with admin_client(replicated.nodes[0].address, SECONDS) as admin:
        *_, last = admin.scrub()
    assert (last.is_finished, last.damaged, last.waiting) == (True, 0, 0)
