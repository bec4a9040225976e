"""Nodes come, go, lose their disks and start anew, while writes are agreed on: no write is agreed on twice.

The history and the rules of an agreement are the real ones. What the model makes up is the order of all
events, which nodes have heard of which topology, and which messages arrive.
"""

import os
from dataclasses import dataclass, field
from random import Random

import pytest

from limedb.core.idempotency import (
    FIRST,
    MARGIN_MS,
    MAX_AGE_MS,
    AgreedVersion,
    Proposal,
    State,
    WriteId,
    is_accepted,
    pick_value,
    transition,
)
from limedb.core.layout import Layout, Owners
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.quorum import Level, majority
from limedb.core.topology import (
    Fence,
    Member,
    Phase,
    Topology,
    finish,
    hand_over,
    initial_topology,
    join,
    leave,
    remove,
)
from limedb.errors import UnavailableError
from limedb.replication.idempotency.ownership_history import OwnershipHistory
from limedb.replication.idempotency.proposer import MAX_AHEAD_MS
from limedb.storage.memory.operations import MemoryOperations
from tests.replication.nodes import Place

URLS = [f"http://{name}:1" for name in "abcd"]
SKEW_MS = 400
"""How far a node's clock is off at most."""
SEEDS = int(os.environ.get("MODEL_SEEDS", "150"))


class Noted(MemoryOperations):
    """What a replica has on disk: it outlives the process."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: tuple[Fence, int] | None = None
        self.states: dict[bytes, State] = {}

    def noted(self, fence: Fence) -> int | None:
        return self.notes[1] if self.notes and self.notes[0] == fence else None

    def note(self, fence: Fence, since_ms: int) -> None:
        self.notes = fence, since_ms


@dataclass
class Replica:
    """A node: its identity, disk and clock, and what it has heard of the topology."""

    member: Member
    model: "Model"
    off_ms: int
    log: Noted = field(default_factory=Noted)
    place: Place = field(default_factory=lambda: Place(Topology()))

    def start(self) -> None:
        self.history = OwnershipHistory(self.place, self.log, lambda: self.now)

    @property
    def now(self) -> int:
        return self.model.now + self.off_ms + self.model.fast.get(self.member.url, 0)

    @property
    def epoch(self) -> int:
        return self.place.layout.topology.epoch

    def hear(self, topology: Topology) -> None:
        before = self.place.layout.topology
        if topology.epoch > before.epoch:
            self.place.adopt(topology)
            self.history.follow(before, topology)

    def take(self, proposal: Proposal, epoch: int) -> State | None:
        """Its state after a proposal under an epoch; None: it refuses."""
        if not epoch >= self.epoch > 0 or not self.history.can_tell(proposal.operation, epoch):
            return None
        before = self.log.states.get(proposal.operation.id, Acceptor())
        after = self.log.states[proposal.operation.id] = transition(before, proposal)
        return after if is_accepted(after, proposal) else None


@dataclass
class Accepting:
    """A proposal on its way to the owners under an epoch."""

    proposal: Proposal
    epoch: int
    acks: set[str] = field(default_factory=set)


class Model:
    """A cluster in which everything that may happen does. token: of the key that all is about. fast: by how
    much the clocks of nodes are ahead that are to be set right.
    """

    def __init__(self, seed: int) -> None:
        self.rng, self.now, self.names = Random(seed), 100_000_000, 0
        self.is_fast, self.fast = self.rng.random() < 0.5, dict[str, int]()
        self.replicas: dict[str, Replica] = {}
        first = [self.add(url) for url in self.rng.sample(URLS, self.rng.choice([1, 1, 2, 3]))]
        factor = self.rng.choice([1, 2, 3, 3])
        self.epochs = [Topology(), initial_topology("c1", factor, [replica.member for replica in first])]
        for replica in first:
            replica.hear(self.newest)
        self.token = self.rng.randrange(1 << 64)
        self.open: list[Accepting] = []
        self.operations: dict[bytes, WriteId] = {}
        self.attempts: dict[bytes, int] = {}
        self.won: dict[bytes, set[AgreedVersion]] = {}

    @property
    def newest(self) -> Topology:
        return self.epochs[-1]

    def owners(self, epoch: int) -> Owners:
        return Layout(self.epochs[epoch]).of(self.token)

    def add(self, url: str) -> Replica:
        """A node with an empty disk, in place of what was at the URL."""
        self.names += 1
        member = Member(f"id-{self.names}", url, virtual_nodes=8)
        replica = Replica(member, self, self.rng.randint(-SKEW_MS, SKEW_MS))
        self.replicas[url] = replica
        replica.start()
        return replica

    def run(self, steps: int) -> None:
        happen = [self.wait, self.spread, self.change, self.restart, self.begin, self.attempt, self.deliver]
        weights = [1, 9, 7, 0.2, 0.5, 3, 9]
        for step in range(steps):
            if self.is_fast and step == steps // 2:
                self.set_back()
            if self.fast and self.rng.random() < 0.1:
                self.fast.pop(self.rng.choice([*self.fast]), None)
            self.rng.choices(happen, weights)[0]()
            for operation, values in self.won.items():
                assert len(values) <= 1, f"{operation!r} was agreed on as {values}"

    def set_back(self) -> None:
        """All clocks were ahead, by more than an operation's age, and are set right, one after another."""
        ahead = self.rng.randint(MAX_AGE_MS + MARGIN_MS + 2 * SKEW_MS, 10_000_000)
        self.now -= ahead
        self.fast = dict.fromkeys(self.replicas, ahead)

    def wait(self) -> None:
        self.now += self.rng.choice([1, 100, 1000, 3000])

    def is_there(self, member: Member) -> bool:
        return self.replicas[member.url].member == member or (
            self.replicas[member.url].member.node_id == member.node_id
        )

    def spread(self) -> None:
        """Somebody hears of an epoch."""
        replica = self.rng.choice([*self.replicas.values()])
        newer = self.epochs[replica.epoch + 1 :]
        if its_own := [each for each in newer if each.member(replica.member.node_id)]:
            replica.hear(self.rng.choice(its_own))

    def knowing(self, members: tuple[Member, ...], epoch: int) -> int:
        return sum(self.is_there(m) and self.replicas[m.url].epoch >= epoch for m in members)

    def change(self) -> None:
        """The next epoch, once those know of the last one that have to."""
        now, epoch = self.newest, self.newest.epoch
        voters = now.voters
        if self.knowing(voters, epoch) < majority(len(voters)):
            return
        if now.phase is Phase.STEADY:
            self._begin_change()
            return
        of = self.owners(epoch)
        old = of.natural if now.phase is Phase.STREAMING else of.others
        count = of.replicas if now.phase is Phase.STREAMING else of.other_replicas
        there = tuple(m for url in old if (m := now.at(url)) and self.is_there(m))
        new = tuple(m for m in now.new_owners if m.url in of.write_set)
        if self.knowing(there, epoch) < min(len(there), majority(count or of.replicas)):
            return
        if self.knowing(new, epoch) < len(new):
            return
        self.epochs.append(hand_over(now) if now.phase is Phase.STREAMING else finish(now))

    def _begin_change(self) -> None:
        now = self.newest
        outside = [url for url in URLS if now.at(url) is None]
        lost = [m for m in now.members if not self.is_there(m)]
        kind = self.rng.random()
        if lost:
            url = self.rng.choice(lost).url
            self.epochs.append(join(now, self.replicas[url].member))
        elif kind < 0.5 and outside:
            self.epochs.append(join(now, self.add(self.rng.choice(outside)).member))
        elif kind < 0.8 and len(now.members) > 1:
            goes = self.rng.choice(now.members)
            self.epochs.append(self.rng.choice([leave, remove])(now, goes.node_id))
        elif len(now.members) > 2 and now.replication_factor > 1:  # a disk is lost
            self.add(self.rng.choice(now.members).url)

    def restart(self) -> None:
        self.rng.choice([*self.replicas.values()]).start()

    def begin(self) -> None:
        """A client begins a write, by a clock that may be ahead."""
        began = self.now + self.rng.choice([-500, 0, 0, 500])
        number = len(self.operations)
        operation = WriteId(number.to_bytes(16, "big"), self.token, began)
        self.operations[operation.id], self.attempts[operation.id] = operation, 0
        self._attempt(operation)

    def attempt(self) -> None:
        """A write is sent again, mostly with the next number, now and then doubled on the way."""
        if not self.operations:
            return
        operation = self.rng.choice([*self.operations.values()][-5:])
        self.attempts[operation.id] += self.rng.random() < 0.9
        self._attempt(operation)

    def _attempt(self, operation: WriteId) -> None:
        """One attempt by a coordinator, which knows some epoch."""
        coordinator = self.rng.choice([*self.replicas.values()])
        if not (epoch := coordinator.epoch):
            return
        if not coordinator.now - MAX_AGE_MS <= operation.began_ms <= coordinator.now + MAX_AHEAD_MS:
            return
        self.names += 1
        ballot = Ballot(FIRST + self.attempts[operation.id], f"{self.names:016}")
        value: AgreedVersion | None = AgreedVersion(self.names, 0, existed=False)
        if ballot.round > FIRST:
            value = self._promised(Proposal(operation, ballot, None), epoch, value)
        if value is not None:
            self.open.append(Accepting(Proposal(operation, ballot, value), epoch))

    def _promised(self, proposal: Proposal, epoch: int, own: AgreedVersion | None) -> AgreedVersion | None:
        owners = self.owners(epoch)
        asked = [url for url in owners.write_set if self.rng.random() < 0.8]
        states = {url: state for url in asked if (state := self._send(url, proposal, epoch)) is not None}
        if owners.lacking(Level.QUORUM, states) > 0:
            return None
        try:
            sides = (owners.natural, owners.replicas), (owners.others, owners.other_replicas)
            return pick_value(states, sides) or own
        except UnavailableError:
            return None

    def _send(self, url: str, proposal: Proposal, epoch: int) -> State | None:
        """A message to the node of that name in an epoch: another one at its URL refuses it."""
        member = self.epochs[epoch].at(url)
        if member is None or not self.is_there(member):
            return None
        return self.replicas[url].take(proposal, epoch)

    def deliver(self) -> None:
        """An accept arrives at an owner, or is sent once more under a newer epoch."""
        if not self.open:
            return
        accepting = self.rng.choice(self.open[-5:])
        if self.rng.random() < 0.1:
            newer = [r.epoch for r in self.replicas.values() if r.epoch > accepting.epoch]
            if newer:
                accepting.epoch, accepting.acks = self.rng.choice(newer), set()
        owners = self.owners(accepting.epoch)
        url = self.rng.choice(owners.write_set)
        if self._send(url, accepting.proposal, accepting.epoch) is not None:
            accepting.acks.add(url)
        if owners.lacking(Level.QUORUM, accepting.acks) <= 0 and accepting.proposal.value is not None:
            self.won.setdefault(accepting.proposal.operation.id, set()).add(accepting.proposal.value)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_write_is_agreed_on_twice_while_nodes_come_and_go(seed: int) -> None:
    Model(seed).run(400)


def test_a_replica_knows_what_begins_after_a_clock_was_set_back_that_was_far_ahead() -> None:
    now, log = [10_000_000], Noted()
    topology = initial_topology("c1", 1, [Member("id", URLS[0], virtual_nodes=8)])
    log.note(topology.fence, now[0])
    history = OwnershipHistory(Place(topology), log, lambda: now[0])
    log.forgotten_ms = now[0] - MAX_AGE_MS // 2
    now[0] -= 3_600_000
    before = WriteId(bytes(16), 0, 10_000_000 + MARGIN_MS)
    assert not history.can_tell(before, 1)
    assert not history.can_tell(WriteId(bytes(16), 0, now[0]), 1)
    now[0] += MARGIN_MS
    assert history.can_tell(WriteId(bytes(16), 0, now[0]), 1)
    assert log.forgotten_ms < now[0]


def test_a_replica_refuses_by_what_it_noted_while_the_clock_is_not_far_behind() -> None:
    now, log = [10_000_000], Noted()
    topology = initial_topology("c1", 1, [Member("id", URLS[0], virtual_nodes=8)])
    log.note(topology.fence, now[0])
    history = OwnershipHistory(Place(topology), log, lambda: now[0])
    now[0] -= MAX_AGE_MS
    assert not history.can_tell(WriteId(bytes(16), 0, now[0] + MARGIN_MS), 1)
