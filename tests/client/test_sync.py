"""The synchronous twin, from one thread and from several."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import limedb
from limedb.errors import UnavailableError
from tests.support.keys import new_key
from tests.support.ports import free_port


def test_it_does_what_the_other_does(node: str) -> None:
    key, other = new_key(), new_key()
    with limedb.connect_sync(node) as db:
        assert db.set(key, "v", ttl=60).acked == 1
        assert db.get(key) == "v"
        assert db.get(other, 7) == 7
        assert db.delete(key) is True
        assert db.set_many({key: "1", other: b"2"}).keys() == {key, other}
        assert db.get_many([key, other]) == {key: "1", other: b"2"}
        assert db.delete_many([key, other, new_key()]) == 2


def test_a_scan_is_walked_through_page_by_page(node: str) -> None:
    prefix = new_key()
    with limedb.connect_sync(node) as db:
        values = {f"{prefix}/{n:03}": f"{n}" for n in range(250)}
        db.set_many(values)
        assert {entry.key: entry.value for entry in db.scan(prefix)} == values
        first = next(db.scan(prefix, keys_only=True))  # the rest is never asked for
        assert (first.key, first.value, first.size) == (f"{prefix}/000", None, 1)


def test_threads_share_one(node: str) -> None:
    with limedb.connect_sync(node) as db, ThreadPoolExecutor(8) as pool:
        keys = [new_key() for _ in range(200)]
        list(pool.map(lambda key: db.set(key, f"of {key}"), keys))
        assert list(pool.map(db.get, keys)) == [f"of {key}" for key in keys]


def test_threads_that_wait_when_it_closes_end(node: str) -> None:
    with limedb.connect_sync(node) as db:
        begun = threading.Barrier(5)

        def call() -> str:
            begun.wait(30)
            try:
                while True:
                    db.get(new_key())
            except UnavailableError as error:
                return str(error)

        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(call) for _ in range(4)]
            begun.wait(30)
            db.close()
            assert all(call.result(10) for call in calls)


def test_nothing_at_an_address_is_said() -> None:
    with free_port() as port, pytest.raises(UnavailableError):
        limedb.connect_sync(f"127.0.0.1:{port}").open()


def test_a_closed_one_says_so(node: str) -> None:
    with limedb.connect_sync(node) as db:
        pass
    with pytest.raises(UnavailableError):
        db.get("k")


@pytest.mark.parametrize(
    "program",
    [
        "db.set('left', 'v'); print(db.get('left'))",
        "db.set('left', 'v'); rest = db.scan('left'); print(next(rest).value)",
        "v = db.set('left', 'v').version - 1; w = db.watch('left', after_version=v); print(next(w).value)",
        "rest = db.scan('left'); db.set('left', 'v'); db.close(); print('v')",
    ],
)
def test_a_program_ends_that_closes_nothing(node: str, program: str) -> None:
    script = f"import limedb; db = limedb.connect_sync({node!r}); db.open(); {program}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("v\n", "", 0)
