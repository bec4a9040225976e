"""Who gets a certificate for a join token, and how a token is written. Tests limedb/access/join_token.py too.

With real nodes: tests/tls/test_joining.py.
"""

import asyncio
from pathlib import Path

import pytest

from limedb.access.join_token import JoinToken, join_token
from limedb.access.joining import JOINS, MOST_WAITING, WEEK_MS, Joining, Signer
from limedb.core.quorum import Level
from limedb.errors import ConfigError, InvalidRequestError, KeyNotFoundError, OverloadedError
from limedb.replication.requests import Found, Write, Written
from limedb.tls.authority import Holder, Made, issue, new_authority, new_key, node_holder, request
from limedb.tls.certificates import belongs, comes_from, facts_of, read

OWN, NEW, OTHER = "http://node1:8484", "http://node4:8484", "http://node2:8484"


class Shelf:
    """Keeps records as a cluster would; `forget` is what the end of their time does."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lives: list[int] = []
        self.gate: asyncio.Event | None = None

    async def get(self, key: str, level: Level | None, deadline: float, most: int | None = None) -> Found:
        if self.gate is not None:
            await self.gate.wait()
        assert level is Level.LINEARIZABLE
        if key not in self.values:
            raise KeyNotFoundError(key)
        return Found(self.values[key], OWN)

    async def write(self, write: Write, level: Level | None, deadline: float) -> Written:
        assert level is Level.LINEARIZABLE
        existed = write.key in self.values
        self.values[write.key] = str(write.value)
        self.lives.append(write.ttl_ms)
        return Written(len(self.lives), existed, acked=1, replicas=1)


class World:
    """A node that signs, its shelf, and the nodes that live."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.shelf, self.living = new_authority("test CA", 100), Shelf(), {OTHER}
        self.key = folder / "ca.key"
        self.key.touch(0o600)
        self.key.write_bytes(self.ca.key)
        self.served = issue(self.ca, node_holder(OWN, ["node1"]), 10).cert

    def at(self, url: str = OWN) -> Joining:
        signer = Signer(self.key, lambda: self.ca.cert, lambda: self.served)
        return Joining(self.shelf, signer, url, "node1:8484", lambda: 1_000, self.living.__contains__)

    async def token(self, *hosts: str, ttl_ms: int = 0) -> JoinToken:
        return join_token(await self.at().invite(NEW, hosts, ttl_ms, 1e9))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def csr_of(key: bytes) -> bytes:
    return request(Holder("client", "whoever"), key).cert


async def redeem(joining: Joining, token: JoinToken, key: bytes, url: str = NEW) -> Made:
    made, _ = await joining.redeem(token.id, token.secret, url, csr_of(key), 1e9)
    return Made(made, key)


async def test_a_token_is_worth_the_certificate_that_its_maker_decided(world: World) -> None:
    token, key = await world.token("db.example.com"), new_key()
    made = await redeem(world.at(), token, key)
    facts = facts_of(read(made.cert)[0])
    assert facts.role == "node"
    assert {"8484.node4.node.limedb.internal", "node4", "db.example.com"} <= set(facts.names)
    assert "whoever" not in (*facts.names, facts.subject, facts.user)
    assert belongs(key, read(made.cert)[0])
    assert comes_from(read(made.cert), read(world.ca.cert))


async def test_a_token_counts_once_and_again_for_the_same_key(world: World) -> None:
    token, key = await world.token(), new_key()
    await redeem(world.at(), token, key)
    await redeem(world.at(), token, key)  # the answer was lost
    with pytest.raises(InvalidRequestError, match="was used"):
        await redeem(world.at(), token, new_key())


async def test_of_two_at_a_time_one_wins(world: World) -> None:
    token, joining = await world.token(), world.at()
    both = (redeem(joining, token, new_key()) for _ in range(2))
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["InvalidRequestError", "Made"]


async def test_others_get_nothing(world: World) -> None:
    token, key = await world.token(), new_key()
    wrong = JoinToken(token.id, "x" * 43, NEW, "", "")
    unknown = JoinToken("another", token.secret, NEW, "", "")
    for other in (wrong, unknown, JoinToken("", "", NEW, "", "")):
        with pytest.raises(InvalidRequestError, match="not valid"):
            await redeem(world.at(), other, key)
    with pytest.raises(InvalidRequestError, match="another NODE_URL"):
        await redeem(world.at(), token, key, "http://node5:8484")
    with pytest.raises(InvalidRequestError, match="counts at http://node1:8484 alone"):
        await redeem(world.at("http://node3:8484"), token, key)
    world.living.add(NEW)
    with pytest.raises(InvalidRequestError, match="is a living node"):
        await redeem(world.at(), token, key)
    world.living.remove(NEW)
    world.shelf.values.clear()  # its time is over
    with pytest.raises(InvalidRequestError, match="not valid: it has expired"):
        await redeem(world.at(), token, key)


@pytest.mark.parametrize("csr", [b"", b"nonsense", b"x" * 20_000], ids=lambda csr: str(len(csr)))
async def test_what_is_no_request_is_refused(world: World, csr: bytes) -> None:
    token = await world.token()
    with pytest.raises(InvalidRequestError, match="csr"):
        await world.at().redeem(token.id, token.secret, NEW, csr, 1e9)
    await redeem(world.at(), token, new_key())  # it was not used up


async def test_living_nodes_and_odd_names_get_no_token(world: World) -> None:
    for url, words in ((OTHER, "living"), (OWN, "living"), ("node4", "nodeUrl"), ("", "nodeUrl")):
        with pytest.raises(InvalidRequestError, match=words):
            await world.at().invite(url, [], 0, 1e9)
    with pytest.raises(InvalidRequestError, match="which only `limedb certs node` gives"):
        await world.at().invite(NEW, ["8484.node2.node.limedb.internal"], 0, 1e9)
    with pytest.raises(InvalidRequestError, match="a week"):
        await world.at().invite(NEW, [], WEEK_MS + 1, 1e9)
    with pytest.raises(InvalidRequestError, match="TLS_CA_KEY"):
        await Joining(world.shelf, None, OWN, "", lambda: 0, lambda _: False).invite(NEW, [], 0, 1e9)


async def test_a_token_expires_with_its_record_and_its_secret_is_not_stored(world: World) -> None:
    token = await world.token(ttl_ms=5_000)
    assert world.shelf.lives == [5_000]
    (stored,) = world.shelf.values.values()
    assert world.shelf.values.keys() == {JOINS + token.id}
    assert token.secret not in stored
    await redeem(world.at(), token, new_key())
    assert world.shelf.lives == [5_000, 5_000]  # "used" is known for as long as the token would count


async def test_strangers_can_not_queue_without_end(world: World) -> None:
    token, joining = await world.token(), world.at()
    world.shelf.gate = asyncio.Event()
    waiting = [asyncio.create_task(redeem(joining, token, new_key())) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await redeem(joining, token, new_key())
    world.shelf.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(each, Made) for each in outcomes) == 1


def test_the_key_must_be_that_of_the_ca_and_closed_to_others(world: World) -> None:
    other = new_authority("other", 1)
    with pytest.raises(ConfigError, match="TLS_CA_KEY"):
        Signer(world.key, lambda: other.cert, lambda: world.served)
    world.key.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Signer(world.key, lambda: world.ca.cert, lambda: world.served)


async def test_a_token_survives_its_text_and_nothing_else_is_one(world: World) -> None:
    token = await world.token()
    assert join_token(token.text) == token
    assert token.ca == world.ca.cert.decode()
    assert token.secret not in repr(token)
    for text in ("", "limedb-join_", "limedb-join_AAAA", token.text[:-9], "limedb-join_é", token.text[12:]):
        with pytest.raises(ValueError, match="isn't a join token"):
            join_token(text)
