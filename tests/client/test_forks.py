"""Forked children of a process with a client: an error at once, and the parent's client is unharmed."""

import subprocess
import sys

import pytest

from tests.support.keys import new_key

LIMIT = 60

HEAD = """
import asyncio, gc, multiprocessing, os, sys, time
import limedb
from limedb.errors import ClientStateError

ADDRESS, KEY = sys.argv[1:]

def refused(call):
    began = time.monotonic()
    try:
        call()
    except ClientStateError as error:
        assert "fork" in str(error) and error.nothing_written, error
        assert time.monotonic() - began < 2
    else:
        raise AssertionError("it was carried out")

async def meanwhile(db, call):
    rest = await db.watch(KEY).__aenter__()
    status = call()
    await db.set(KEY, "by the parent")
    assert (await rest.next(30)).value == "by the parent"
    await rest.close()
    return status
"""

PROGRAMS = {
    "the synchronous twin": """
db = limedb.connect_sync(ADDRESS, timeout=30)
db.open()
db.set(KEY, "before")
half_read, watch = db.scan(KEY), db.watch(KEY)
watch.__enter__()
child = os.fork()
if child == 0:
    refused(lambda: db.get(KEY))
    refused(lambda: db.set(KEY, "by the child"))
    refused(lambda: next(db.scan()))
    refused(lambda: next(half_read))
    refused(lambda: next(watch))
    half_read.close()
    watch.close()
    refused(db.open)
    db.close()
    refused(limedb.connect_sync(ADDRESS).open)
    del db, half_read, watch
    gc.collect()
    sys.exit(7)  # so that what runs at exit harms no one either
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert db.get(KEY) == "before"
db.set(KEY, "after")
assert watch.next(30).value == "after"
db.close()
print("done")
""",
    "the asynchronous client": """
def fork(db):
    child = os.fork()
    if child == 0:
        refused(lambda: asyncio.run(db.get(KEY)))
        refused(lambda: asyncio.run(db.set(KEY, "by the child")))
        refused(lambda: asyncio.run(db.open()))
        asyncio.run(db.close())
        refused(lambda: asyncio.run(limedb.connect(ADDRESS).open()))
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

async def main():
    async with limedb.connect(ADDRESS, timeout=30) as db:
        await db.set(KEY, "before")
        assert await meanwhile(db, lambda: fork(db)) == 7
        assert await db.get(KEY) == "by the parent"
    print("done")

asyncio.run(main())
""",
    "a client that was closed before": """
with limedb.connect_sync(ADDRESS) as db:
    db.set(KEY, "before")
child = os.fork()
if child == 0:
    refused(lambda: limedb.connect_sync(ADDRESS).open())
    refused(lambda: asyncio.run(limedb.connect(ADDRESS).open()))
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
with limedb.connect_sync(ADDRESS) as db:
    assert db.get(KEY) == "before"
print("done")
""",
    "multiprocessing": """
def in_child(result):
    refused(lambda: db.get(KEY))
    result.put("refused")

db = limedb.connect_sync(ADDRESS, timeout=30)
db.open()
context = multiprocessing.get_context("fork")
result = context.Queue()
child = context.Process(target=in_child, args=(result,))
child.start()
assert result.get(timeout=30) == "refused"
child.join(30)
assert child.exitcode == 0
db.set(KEY, "after")
assert db.get(KEY) == "after"
db.close()
print("done")
""",
    "a client that only the children open": """
db = limedb.connect_sync(ADDRESS, timeout=30)

def in_child(number):
    with db:
        db.set(f"{KEY}/{number}", str(number))
        return db.get(f"{KEY}/{number}")

with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map(in_child, range(9), chunksize=1) == [str(n) for n in range(9)]
with db:
    assert len(list(db.scan(KEY))) == 9
print("done")
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_forked_child_has_its_own_client_or_an_error_at_once(node: str, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + PROGRAMS[name], node, new_key()],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
