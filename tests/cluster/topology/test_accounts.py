"""The counts by which a node believes: a majority of voters behind one epoch, or one that it knows."""

from itertools import permutations

import pytest

from limedb.cluster.topology.accounts import Accounts, FirstAccounts
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.quorum_call import QuorumCall, Tally, Verdict
from limedb.core.topology import Member, Topology, hand_over, initial_topology, leave
from limedb.errors import UnavailableError
from limedb.ports import Account

MEMBERS = [Member(name, f"http://{name}:1") for name in "abcde"]
URLS = [member.url for member in MEMBERS]
KNOWN = initial_topology("00000000000000aa", 3, MEMBERS)
NEXT, OTHER = leave(KNOWN, "e"), leave(KNOWN, "d")
LATER = hand_over(NEXT)
SILENT = UnavailableError("no answer")


def voted(value: Topology, round_: int = 1) -> Account:
    """A voter that has accepted an epoch, and not heard that it is decided."""
    ballot = Ballot(round_, "x")
    return Account((KNOWN,), Acceptor(ballot, ballot, value))


def accounts(own: Account | None = None) -> Accounts:
    return Accounts(KNOWN, "a", own or Account((KNOWN,)))


def play(tally: Tally[Account], answers: dict[str, Account | None]) -> Verdict | None:
    """The call's verdict after these answers, in their order; None: silence."""
    call = QuorumCall((tally,), 10.0)
    call.start(0.0)
    for url, answer in answers.items():
        if answer is None:
            call.on_error(url, (tally,), SILENT)
        else:
            call.on_answer(url, (tally,), (answer,))
    return call.verdict


def test_the_own_node_is_not_asked() -> None:
    call = QuorumCall((accounts(),), 10.0)
    assert sorted(call.start(0.0)) == URLS[1:]


@pytest.mark.parametrize("said", [Account((KNOWN, NEXT)), voted(NEXT)], ids=["gone on", "accepted"])
def test_three_of_five_prove_an_epoch_and_two_do_not(said: Account) -> None:
    few, enough = accounts(), accounts()
    assert play(few, {URLS[1]: said, URLS[2]: said}) is None
    assert few.proven is None
    assert play(enough, dict.fromkeys(URLS[1:4], said)) is Verdict.SETTLED
    assert enough.proven == NEXT


def test_the_own_vote_counts() -> None:
    asked = accounts(voted(NEXT))
    assert play(asked, dict.fromkeys(URLS[1:3], voted(NEXT))) is Verdict.SETTLED
    assert asked.proven == NEXT


def test_votes_of_two_ballots_and_words_for_two_epochs_are_not_added_up() -> None:
    for one, other in ((voted(NEXT, 1), voted(NEXT, 2)), (Account((KNOWN, NEXT)), Account((KNOWN, OTHER)))):
        asked = accounts()
        answers = {URLS[1]: one, URLS[2]: one, URLS[3]: other, URLS[4]: other}
        assert play(asked, answers) is Verdict.SETTLED
        assert asked.proven is None


def test_who_has_gone_on_and_who_has_accepted_are_added_up() -> None:
    asked = accounts()
    said = {URLS[1]: Account((KNOWN, NEXT)), URLS[2]: voted(NEXT), URLS[3]: voted(NEXT)}
    assert play(asked, said) is Verdict.SETTLED
    assert asked.proven == NEXT


def test_of_two_proven_epochs_it_is_the_next_one() -> None:
    asked = accounts()
    play(asked, dict.fromkeys(URLS[1:4], Account((KNOWN, NEXT, LATER))))
    assert asked.proven == NEXT


def test_without_a_majority_all_are_heard_in_whatever_order_before_it_ends() -> None:
    """What one voter says is needed for the words about what is in the way, however many are silent."""
    for order in permutations(URLS[1:]):
        asked = accounts()
        answers = {url: Account((KNOWN, NEXT)) if url == URLS[4] else None for url in order}
        assert play(asked, dict(list(answers.items())[:3])) is None
        again = accounts()
        assert play(again, answers) is Verdict.SETTLED
        assert (again.proven, again.candidates(), again.gone_on(NEXT)) == (None, [NEXT], {"e"})


def test_a_lone_voter_settles_by_itself() -> None:
    alone = initial_topology("00000000000000aa", 3, MEMBERS[:1])
    asked = Accounts(alone, "a", Account((alone,)))
    assert play(asked, {}) is Verdict.SETTLED
    assert asked.proven is None


def first(known: set[str], claim: Topology = NEXT) -> FirstAccounts:
    return FirstAccounts(claim, "fresh", lambda url: url in known)


def test_a_fresh_node_believes_a_majority_of_which_it_knows_one() -> None:
    behind = Account((NEXT,))
    majority = dict.fromkeys(URLS[:3], behind)
    trusting, stranger, few = first({URLS[0]}), first(set()), first({URLS[0]})
    assert play(trusting, majority) is Verdict.SETTLED
    assert trusting.is_enough
    assert play(stranger, majority) is None, "a later voter may be one that it knows"
    assert play(first(set()), dict.fromkeys(URLS, behind)) is Verdict.SETTLED
    assert play(few, {URLS[0]: behind, **dict.fromkeys(URLS[1:], Account((KNOWN,)))}) is Verdict.SETTLED
    assert not (stranger.is_enough)
    assert not (few.is_enough)


def test_a_founders_epoch_is_believed_of_any_known_voter() -> None:
    asked = first({URLS[3]}, KNOWN)
    assert play(asked, {URLS[3]: Account((KNOWN,))}) is Verdict.SETTLED
    assert asked.is_enough
