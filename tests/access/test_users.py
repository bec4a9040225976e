"""Users in the cluster's keys: by whom they are made, and how their tokens are recognised."""

from typing import Any

import pytest

from limedb.access.users import USERS, Users, user_from
from limedb.core.hlc import version_at
from limedb.core.key_range import KeyRange
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.reserved import is_reserved
from limedb.core.rights import Identity, Role, parse_grant
from limedb.errors import (
    InvalidRequestError,
    KeyNotFoundError,
    PermissionDeniedError,
    StoreCorruptError,
    UnauthenticatedError,
)
from limedb.ports import Credential
from limedb.replication.requests import Found, Write, Written
from tests.support.hand_clock import HandClock


class Keys:
    """Keys in memory, with the levels at which they were asked for."""

    def __init__(self) -> None:
        self.stored: dict[str, str] = {}
        self.levels: set[tuple[str, Level | None]] = set()

    async def get(self, key: str, level: Level | None, deadline: float, most: int | None = None) -> Found:
        self.levels.add(("get", level))
        if key not in self.stored:
            raise KeyNotFoundError(key)
        return Found(self.stored[key], "")

    async def write(self, write: Write, level: Level | None, deadline: float) -> Written:
        self.levels.add(("write", level))
        assert is_reserved(write.key)
        if write.value is None:
            del self.stored[write.key]
        else:
            self.stored[write.key] = str(write.value)
        return Written(1, False, 1, 1)

    def scan(self, keys: KeyRange, level: Level | None, *_rest: Any) -> "Keys":
        self.levels.add(("scan", level))
        self._left = [Record(k, v, version_at(1), 0) for k, v in sorted(self.stored.items()) if keys.holds(k)]
        return self

    async def page(self) -> list[Record]:
        found, self._left = self._left[:2], self._left[2:]
        return found


ROOT = Identity("root", (parse_grant("admin"), parse_grant("operator")))
TENANT = Identity("tenant", (parse_grant("admin:a/"),))


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def users(keys: Keys) -> Users:
    return Users(keys, keys, HandClock(1000.0))


async def who(users: Users, token: str) -> Identity | None:
    return await users.identity_of(Credential(token), 0)


async def test_a_user_is_recognised_by_its_token_alone(users: Users, keys: Keys) -> None:
    user, token = await users.add(ROOT, "alice", ["read:a/", "operator"], 0, 0)
    found = await who(users, token)
    assert found == user.identity
    assert found.may(Role.READ, "a/x")
    assert token not in keys.stored[f"{USERS}alice"]
    assert token.rpartition(".")[2] not in keys.stored[f"{USERS}alice"]
    for wrong in (token[:-1], token + "x", "limedb_bob.x", token.replace("alice", "bob")):
        with pytest.raises(UnauthenticatedError, match="not valid"):
            await who(users, wrong)
    assert await who(users, "root-token") is None
    assert keys.levels == {("get", Level.QUORUM), ("write", Level.LINEARIZABLE)}


async def test_a_rotated_or_deleted_token_ends(users: Users) -> None:
    _, first = await users.add(ROOT, "alice", ["read"], 5_000_000, 0)
    user, second = await users.rotate(ROOT, "alice", 0, 0)
    assert user.expires_at_ms == 5_000_000
    assert await who(users, second)
    with pytest.raises(UnauthenticatedError):
        await who(users, first)
    await users.delete(ROOT, "alice", 0)
    with pytest.raises(UnauthenticatedError):
        await who(users, second)


async def test_a_new_token_outlives_the_old_one_only_if_it_is_given_another_end(keys: Keys) -> None:
    clock = HandClock(1000.0)
    users = Users(keys, keys, clock)
    await users.add(ROOT, "alice", ["read"], 1_001_000, 0)
    clock.now += 2.0
    before = dict(keys.stored)
    with pytest.raises(InvalidRequestError, match="passed; give the new token a later one"):
        await users.rotate(ROOT, "alice", 0, 0)
    with pytest.raises(InvalidRequestError, match="passed"):
        await users.rotate(ROOT, "alice", 1_001_500, 0)
    assert keys.stored == before
    user, token = await users.rotate(ROOT, "alice", 5_000_000, 0)
    assert user.expires_at_ms == 5_000_000
    assert await who(users, token)


@pytest.mark.parametrize("name", ["", "a/b", "root", "node", "x" * 65, "-a", "ü", "a.b", "a\0"])
async def test_bad_names_are_refused(users: Users, name: str) -> None:
    for call in (
        users.add(ROOT, name, ["read"], 0, 0),
        users.delete(ROOT, name, 0),
        users.rotate(ROOT, name, 0, 0),
    ):
        with pytest.raises(InvalidRequestError, match="name="):
            await call


@pytest.mark.parametrize("roles", [[], ["node"], ["read"] * 65, ["read:" + "x" * 2000], ["all"]], ids=len)
async def test_bad_roles_are_refused(users: Users, roles: list[str]) -> None:
    with pytest.raises(InvalidRequestError, match="roles"):
        await users.add(ROOT, "a", roles, 0, 0)


async def test_nobody_is_made_twice_or_for_the_past(users: Users) -> None:
    await users.add(ROOT, "a", ["read"], 0, 0)
    with pytest.raises(InvalidRequestError, match="there is such a user"):
        await users.add(ROOT, "a", ["read"], 0, 0)
    with pytest.raises(InvalidRequestError, match="passed"):
        await users.add(ROOT, "b", ["read"], 1, 0)


async def test_rights_are_given_and_taken_only_within_the_own(users: Users) -> None:
    await users.add(ROOT, "mixed", ["read:a/", "read:b/"], 0, 0)
    await users.add(TENANT, "clerk", ["read:a/1"], 0, 0)
    for call, role in (
        (users.add(TENANT, "thief", ["read"], 0, 0), "admin"),
        (users.add(TENANT, "thief", ["read:a/", "operator"], 0, 0), "operator"),
        (users.rotate(TENANT, "mixed", 0, 0), "admin"),
        (users.delete(TENANT, "mixed", 0), "admin"),
        (users.add(Identity("reader", (parse_grant("read"),)), "thief", ["read"], 0, 0), "admin"),
    ):
        with pytest.raises(PermissionDeniedError, match=f"lacks the role {role} "):
            await call
    assert [user.name for user in await users.all(TENANT, 1)] == ["clerk"]
    assert [user.name for user in await users.all(ROOT, 1)] == ["clerk", "mixed"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1}', "\ud800"])
def test_a_record_that_is_no_user_lets_nobody_in(text: str) -> None:
    with pytest.raises(StoreCorruptError, match="can't be read"):
        user_from(text)
