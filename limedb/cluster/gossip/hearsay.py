"""What a node believes of what others say, and whom it asks itself.

It owns the difference between a node's own word and hearsay. It must never talk to anybody (`gossiper.py`
does), nor judge who is alive.

A URL is an address; a node's identity is its node_id within its cluster. So a node's word counts as its own
only when this node dialled it and it answered under its name. What a third party (or anybody who calls us)
can do at most:

- name a node: names of strangers wait, few at a time, to be asked who they are. They are not passed on, not
  counted, and gone when the question failed. Who answers to many names is one node all the same: of the names
  that no member has, one is known for an address, the last that was answered to there;
- raise the heartbeat of a known node, while all that it claims (CLAIMS) is as the node itself said, so that a
  dead one looks alive for as long as the lies come. A false generation is refuted by its owner, which takes
  the next one, and is forgotten with the node's next own answer here;
- say that a claim has changed: then the node itself is asked, once in CHECK_SECONDS at most, and nothing else
  happens. So nobody changes another's node_id, cluster, epoch, address, has_left or has_data;
- name another address of a node: it is dialled when the node doesn't answer at the one where it did last, and
  is taken when the same node_id answers there under that name. The living keep their addresses.

Nodes that were removed, or were never there, need no tombstone: a name that no longer answers can't come back
by hearsay, however long others remember it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from limedb.cluster.gossip.bounds import MAX_ENTRIES, flaw, is_address, is_generation, is_loopback, is_name
from limedb.config import MAX_URL, address_of
from limedb.core.membership import Ack, Digest, Membership, NodeState
from limedb.ports import Clock

log = logging.getLogger(__name__)

CLAIMS = (
    "node_id",
    "cluster_id",
    "address",
    "epoch",
    "has_data",
    "has_left",
    "rejoins",
    "replication_factor",
    "virtual_nodes",
    "zone",
)
"""What only the node itself says. The rest (heartbeats, keys, load, version) decides nothing for good."""
MAX_STRANGERS = 64
"""Names that wait to be asked; the rest is left out until one was."""
MAX_KNOWN = 2000
"""Nodes that are known before strangers are left out: as many members as there may be, and as many more."""
MAX_FAILED = 1024
"""Names remembered that did not answer."""
CHECK_SECONDS = 0.5
"""A known node is asked again for what hearsay says, and a stranger that failed, no sooner than this."""
MAX_PAUSE = 60.0
"""Seconds between two questions to a stranger that never answers; they double up to this."""
LOG_SECONDS = 60.0
"""Between two lines that say what was left out."""


class Check(NamedTuple):
    """A node that is to be asked who it is. address: host:port to dial; empty: the one that is believed."""

    url: str
    address: str = ""


class Hearsay:
    """The judgement of all that gossip brings, in front of a Membership.

    own_address: host:port of this node. members: the node_id of each member of the topology, by URL.
    """

    def __init__(
        self,
        membership: Membership,
        clock: Clock,
        own_address: str,
        members: Callable[[], Mapping[str, str]],
    ) -> None:
        self._membership, self._clock, self._members = membership, clock, members
        self._is_local = is_loopback(own_address)
        self._proven: set[str] = {membership.own.url}
        self._doubted: dict[str, None] = {}
        self._asked: dict[str, float] = {}
        self._hints: dict[str, str] = {}
        self._strangers: dict[Check, None] = {}
        self._failed: dict[Check, tuple[float, float]] = {}
        self._aliases: dict[str, str] = {}
        self._found_at: dict[str, str] = {}  # who was proven last, by the address that was dialled
        self._left_out, self._logged_at = 0, float("-inf")

    # --- what others say

    def digests(self, digests: Iterable[Digest]) -> list[Digest]:
        """Those of known nodes that are within bounds; the names of others may be asked who they are."""
        now_ms, kept = self._clock.wall_ms(), []
        for digest in islice(digests, MAX_ENTRIES):
            if self._membership.state(digest.url) is None:
                self._meet(digest.url, "")
            elif not is_generation(digest.generation, now_ms):
                self._leave_out(digest.url, f"generation {digest.generation}, more than a day ahead")
            else:
                kept.append(digest)
                if digest.generation and digest.url not in self._proven:
                    self._doubt(digest.url, "")
        return kept

    def states(self, states: Iterable[NodeState]) -> list[NodeState]:
        """What may be merged of states that a third party told."""
        now_ms, kept = self._clock.wall_ms(), []
        for state in islice(states, MAX_ENTRIES):
            known = self._membership.state(state.url)
            if known is None:
                self._meet(state.url, state.address)
            elif why := flaw(state, now_ms):
                self._leave_out(state.url, why)
            elif state.url == self._membership.own.url:
                kept.append(state)  # nobody else writes it: it is only outbid
            elif (believed := self._believed(known, state)) is not None:
                kept.append(believed)
        return kept

    def wanted(self, digests: Iterable[Digest]) -> tuple[Digest, ...]:
        """Digests that ask for what a SYN's sender knows of strangers: above all where to dial them."""
        named = {check.url for check in self._strangers}
        return tuple(Digest(d.url, 0, 0) for d in islice(digests, MAX_ENTRIES) if d.url in named)

    def _believed(self, known: NodeState, said: NodeState) -> NodeState | None:
        if (said.generation, said.heartbeat) <= (known.generation, known.heartbeat):
            return None
        if said.url not in self._proven:
            self._doubt(said.url, said.address)
            return None
        claims = _claims(known)
        if _claims(said) == claims:
            return said
        self._doubt(said.url, said.address)
        same_node = (said.node_id, said.cluster_id) == (known.node_id, known.cluster_id)
        return replace(said, **claims | {"address": known.address}) if same_node else None

    # --- what a node says itself

    def answered(self, url: str, dialled: str, ack: Ack) -> str:
        """Take what the node that was dialled at an address says of itself. Returns its true name; empty
        where it didn't say who it is.
        """
        name = ack.name or url
        said = next((state for state in ack.updates if state.url == name), None)
        if said is not None and (why := flaw(said, self._clock.wall_ms())):
            self._leave_out(name if is_name(name) else "?", why)
            said = None
        if name != url:
            self._met_by_alias(url, dialled, name, said)
            return name if is_name(name) else ""
        if said is not None and self._may_be(said, dialled):
            self._prove(said, dialled)
        return name if said is not None or ack.name else ""

    def _may_be(self, said: NodeState, dialled: str) -> bool:
        """Whether who answers at an address may be the node it says: anywhere but at the node's URL and the
        address that is believed, it must be the one that was known.
        """
        if said.url == self._membership.own.url:
            return False
        if dialled in (address_of(said.url), self.address(said.url)):
            return True
        known = self._membership.state(said.url)
        expected = (known.node_id if known else "") or self._members().get(said.url, "")
        return not expected or said.node_id == expected

    def _prove(self, said: NodeState, dialled: str) -> None:
        url, claimed = said.url, said.address or address_of(said.url)
        if claimed == dialled:
            self._hints.pop(url, None)
            self._doubted.pop(url, None)
        else:
            self._doubt(url, claimed)
            believed = self._membership.state(url)
            is_kept = believed is not None and url in self._proven and believed.address
            said = replace(said, address=believed.address if believed and is_kept else dialled)
        self._proven.add(url)
        self._take_place(dialled, url)
        self._membership.take(said)
        self._forget_stranger(url)

    def _take_place(self, address: str, url: str) -> None:
        """Only one node is at an address: whoever was found there before is elsewhere, if it is a member, or
        was another name of this one.
        """
        before, self._found_at[address] = self._found_at.get(address, url), url
        if before != url and before not in self._members():
            self.forget(before)

    def _met_by_alias(self, alias: str, dialled: str, name: str, said: NodeState | None) -> None:
        own = self._membership.own.url
        if alias in self._members() or not is_name(name):
            return  # another node answers at a member's address: the member isn't there
        if self._membership.state(alias) is not None and self._aliases.get(alias) != name:
            self._aliases[alias] = name
            self._log_alias(alias, name, said, dialled)
        self._membership.forget(alias)
        self._forget_stranger(alias)
        if name == own or name in self._proven:
            return
        if self._membership.state(name) is None:
            self._meet(name, dialled)
        else:
            self._doubt(name, dialled)  # it is asked at its own address first

    def _log_alias(self, alias: str, name: str, said: NodeState | None, dialled: str) -> None:
        if name == self._membership.own.url:
            log.warning("NODE_PEERS names %s, which is this node itself: leave it out", alias)
        elif said is not None and said.address == dialled:
            log.info("the node at %s is %s", alias, name)  # it has moved there, and says so
        else:
            log.warning("NODE_PEERS names %s, but the node there is called %s: write that name", alias, name)

    # --- whom to ask

    def next_check(self) -> Check | None:
        """Who is to be asked now, known nodes first; None: nobody. `checked` is to be called for each."""
        now = self._clock.monotonic()
        for url in self._doubted:
            if now - self._asked.get(url, float("-inf")) >= CHECK_SECONDS:
                self._asked[url] = now
                return Check(url)
        for check in self._strangers:
            if check.url not in self._asked:
                self._asked[check.url] = now
                return check
        return None

    def checked(self, check: Check) -> None:
        """The question was asked: what it left open is asked again when somebody says so again."""
        if check in self._strangers:  # it was not proven
            del self._strangers[check]
            self._asked.pop(check.url, None)
            self._fail(check)
        else:
            self._doubted.pop(check.url, None)

    def hint(self, url: str) -> str:
        """Another address at which a known node is said to be; empty: none."""
        return self._hints.get(url, "")

    def hint_failed(self, url: str) -> None:
        """The node was not there: it isn't looked for there again for some time."""
        self._fail(Check(url, self._hints.pop(url, "")))

    def is_proven(self, url: str) -> bool:
        """Whether the node has answered for itself since this one started, and hearsay doesn't differ."""
        return url in self._proven and url not in self._doubted

    def reached(self, url: str) -> bool:
        """Whether a node that was named has answered, be it under another name."""
        name = self._aliases.get(url, url)
        return name == self._membership.own.url or name in self._proven

    def address(self, url: str) -> str:
        """The host:port to dial. ValueError: no node URL."""
        known = self._membership.state(url)
        return (known.address if known else "") or address_of(url)

    def forget(self, url: str) -> None:
        """Forget a node that is not there any more."""
        self._membership.forget(url)
        self._proven.discard(url)
        self._doubted.pop(url, None)
        self._asked.pop(url, None)
        self._hints.pop(url, None)
        self._found_at = {address: name for address, name in self._found_at.items() if name != url}

    # --- how

    def _meet(self, url: str, address: str) -> None:
        """Let a stranger wait to be asked, where there is room and it could be a node."""
        has_room = len(self._strangers) < MAX_STRANGERS and len(self._membership) < MAX_KNOWN
        if not has_room or not is_name(url):
            self._leave_out("", "a name that can't be a node's, or one of too many")
            return
        for check in dict.fromkeys((Check(url, address_of(url)), Check(url, address or address_of(url)))):
            if self._is_dialable(check.address) and not self._has_failed(check):
                self._strangers.setdefault(check)

    def _doubt(self, url: str, address: str) -> None:
        is_elsewhere = bool(address) and address != self.address(url)
        if is_elsewhere and self._is_dialable(address) and not self._has_failed(Check(url, address)):
            self._hints[url] = address
        if not is_elsewhere or url in self._hints:
            self._doubted[url] = None

    def _has_failed(self, check: Check) -> bool:
        until, _ = self._failed.get(check, (0.0, 0.0))
        return self._clock.monotonic() < until

    def _fail(self, check: Check) -> None:
        _, pause = self._failed.pop(check, (0.0, CHECK_SECONDS))
        while len(self._failed) >= MAX_FAILED:
            self._failed.pop(next(iter(self._failed)))
        self._failed[check] = (self._clock.monotonic() + pause, min(2 * pause, MAX_PAUSE))

    def _is_dialable(self, address: str) -> bool:
        return is_address(address) and (self._is_local or not is_loopback(address))

    def _forget_stranger(self, url: str) -> None:
        for check in [check for check in self._strangers if check.url == url]:
            del self._strangers[check]
            self._asked.pop(url, None)
        for check in [check for check in self._failed if check.url == url]:
            del self._failed[check]

    def _leave_out(self, url: str, why: str) -> None:
        """Count what was left out, and say so once a minute at most."""
        self._left_out += 1
        now = self._clock.monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            about = f" for {url[:MAX_URL]!r}" if url else ""
            log.warning("left out %d entries of gossip; the last has %s%s", self._left_out, why, about)
            self._left_out, self._logged_at = 0, now


def _claims(state: NodeState) -> dict[str, Any]:
    claims = {field: getattr(state, field) for field in CLAIMS}
    return claims | {"address": state.address or address_of(state.url)}
