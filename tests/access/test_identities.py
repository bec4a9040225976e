"""How long an identity counts, and what happens while it can't be looked up."""

import asyncio

import pytest

from limedb.access.identities import FRESH_SECONDS, GRACE_SECONDS, MAX_KNOWN, MAX_LOOKS, Identities
from limedb.core.rights import Identity
from limedb.errors import LimeDBError, OverloadedError, UnauthenticatedError, UnavailableError
from limedb.ports import Authenticator, Credential
from tests.support.hand_clock import HandClock


class Book(Authenticator):
    """Knows some tokens, unless there is trouble. asked: how often it was."""

    def __init__(self, **known: Identity) -> None:
        self.known, self.asked = known, 0
        self.trouble: LimeDBError | None = None
        self.gate: asyncio.Event | None = None

    async def identity_of(self, shown: Credential, deadline: float) -> Identity | None:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        return self.known.get(shown.token)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1000.0)


ALICE = Identity("alice", ())


async def test_an_identity_is_looked_up_once_and_again_when_it_is_old(clock: HandClock) -> None:
    book = Book(token=ALICE)
    identities = Identities([Book(), book], clock)
    assert identities.known("token") is None
    assert await identities.of("token") is ALICE
    assert identities.known("token") is ALICE
    clock.now += FRESH_SECONDS
    assert identities.known("token") is None
    assert await identities.of("token") is ALICE
    assert book.asked == 2


async def test_a_revoked_one_ends_when_it_is_old(clock: HandClock) -> None:
    book = Book(token=ALICE)
    identities = Identities([book], clock)
    await identities.of("token")
    del book.known["token"]
    clock.now += FRESH_SECONDS
    with pytest.raises(UnauthenticatedError, match="not valid"):
        await identities.of("token")
    book.trouble = UnavailableError("no majority")
    clock.now += 2
    with pytest.raises(UnavailableError, match="can't be looked up now") as refused:
        await identities.of("token")
    assert "no majority" not in str(refused.value)  # a key and addresses, in a real cluster


async def test_an_unknown_token_is_not_looked_up_again_at_once(clock: HandClock) -> None:
    book = Book()
    identities = Identities([book], clock)
    for _ in range(3):
        with pytest.raises(UnauthenticatedError):
            await identities.of("token")
    assert book.asked == 1
    book.known["token"] = ALICE
    clock.now += 1
    assert await identities.of("token") is ALICE


async def test_an_identity_lasts_for_a_while_when_it_can_not_be_looked_up(clock: HandClock) -> None:
    book = Book(token=ALICE)
    identities = Identities([book], clock)
    await identities.of("token")
    book.trouble = UnavailableError("no majority")
    clock.now += FRESH_SECONDS
    assert await identities.of("token") is ALICE
    assert identities.known("token") is ALICE
    clock.now += GRACE_SECONDS
    with pytest.raises(UnavailableError):
        await identities.of("token")
    book.trouble = None
    assert await identities.of("token") is ALICE


async def test_it_expires_at_its_moment_whatever_is_kept(clock: HandClock) -> None:
    book = Book(token=Identity("guest", (), expires_at_ms=clock.wall_ms() + 2000))
    identities = Identities([book], clock)
    await identities.of("token")
    clock.now += 1.9
    assert identities.known("token") is not None
    clock.now += 0.2
    assert identities.known("token") is None
    with pytest.raises(UnauthenticatedError, match="expired"):
        await identities.of("token")
    book.trouble = UnavailableError("no majority")
    clock.now += 2
    with pytest.raises(UnavailableError):
        await identities.of("token")


async def test_no_token_and_endless_ones_are_not_looked_up(clock: HandClock) -> None:
    book = Book()
    identities = Identities([book], clock)
    with pytest.raises(UnauthenticatedError, match="needs a token"):
        await identities.of("")
    with pytest.raises(UnauthenticatedError):
        await identities.of("x" * 100_000)
    assert book.asked == 0


async def test_callers_with_one_token_share_a_look_and_looks_are_few(clock: HandClock) -> None:
    book = Book(token=ALICE)
    book.gate = asyncio.Event()
    identities = Identities([book], clock)
    shared = [asyncio.ensure_future(identities.of("token")) for _ in range(10)]
    strangers = [asyncio.ensure_future(identities.of(f"x{i}")) for i in range(MAX_LOOKS - 1)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="too many callers with unknown tokens: 64 of 64") as caught:
        await identities.of("one more")
    assert "MAX_MEMORY" not in str(caught.value)
    shared[0].cancel()  # the others wait on
    book.gate.set()
    assert await asyncio.gather(*shared[1:]) == [ALICE] * 9
    refusals = await asyncio.gather(*strangers, return_exceptions=True)
    assert all(isinstance(refusal, UnauthenticatedError) for refusal in refusals)
    assert book.asked == MAX_LOOKS
    await identities.close()


async def test_what_is_kept_is_bounded_and_holds_no_token(clock: HandClock) -> None:
    book = Book(**{f"token-{i}": ALICE for i in range(MAX_KNOWN + 5)})
    identities = Identities([book], clock)
    for i in range(MAX_KNOWN + 5):
        await identities.of(f"token-{i}")
        with pytest.raises(UnauthenticatedError):
            await identities.of(f"unknown-{i}")
    assert len(identities._known) == MAX_KNOWN
    assert len(identities._unknown) <= MAX_KNOWN
    assert not any(b"token" in digest for digest in identities._known)
    identities.forget()
    assert identities.known("token-9") is None
