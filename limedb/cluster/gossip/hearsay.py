"""Decides which reports of other nodes this node believes, and which nodes it asks itself.

It owns the difference between a node's own word and hearsay. It must never talk to a node (`gossiper.py`
does), nor judge which nodes are alive.

A URL is an address; a node's identity is its node_id within its cluster. So a node's word counts as its own
only if this node dialled it and it answered under its name. A third party (or any caller) can do no more than
the following:

- name a node: strangers' names wait, a few at a time, until this node asks them. They are not passed on, not
  counted, and dropped if the question fails. A node that answers to many names is still one node: of the
  names that no member has, only one is known for an address, the last that answered there;
- raise the heartbeat of a known node, if all its claims (CLAIMS) agree with the node's own word, so that a
  dead node looks alive for as long as the lies come. Its owner refutes a false generation by taking the next
  one, and the node's next own answer here replaces it;
- report that a claim has changed: then this node asks the node itself, at most once in CHECK_SECONDS, and
  nothing else happens. So no node changes another's node_id, cluster, epoch, address, has_left or has_data;
- name another address of a node: this node dials it if the node doesn't answer at its last address, and
  accepts it if the same node_id answers there under that name. Live nodes keep their addresses.

Nodes that were removed, or never existed, need no tombstone: a name that no longer answers can't come back by
hearsay, however long others remember it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from limedb.cluster.gossip.bounds import MAX_ENTRIES, flaw, is_address, is_generation, is_loopback, is_name
from limedb.core.membership import Ack, Digest, Membership, NodeState
from limedb.core.node_urls import MAX_URL, address_of
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
"""The fields that only the node itself can change. The rest (heartbeats, keys, load, version) decides nothing
permanently.
"""
MAX_STRANGERS = 64
"""Names that may wait for a question; others are left out until there is room."""
MAX_KNOWN = 2000
"""Known nodes up to which strangers are still let in: twice the largest number of members."""
MAX_FAILED = 1024
"""Names that did not answer, as many as are remembered."""
CHECK_SECONDS = 0.5
"""The least time between two questions to a known node because of hearsay, or to a stranger that failed."""
MAX_PAUSE_SECONDS = 60.0
"""The most seconds between two questions to a stranger that never answers; the pauses double up to this."""
LOG_SECONDS = 60.0
"""The least time between two log lines about entries left out."""


class Check(NamedTuple):
    """A node to ask for its identity."""

    url: str
    address: str = ""
    """The host:port to dial; empty: the believed one."""


class Hearsay:
    """Judges all that gossip brings, in front of a Membership.

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
        self._found_at: dict[str, str] = {}  # the last proven name, by the dialled address
        self._left_out, self._logged_at = 0, float("-inf")

    # --- the reports of others

    def digests(self, digests: Iterable[Digest]) -> list[Digest]:
        """The digests of known nodes that are within bounds; the other names may become questions."""
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
        """The states of a third party that may be merged, with the fields that are believed."""
        now_ms, kept = self._clock.wall_ms(), []
        for state in islice(states, MAX_ENTRIES):
            known = self._membership.state(state.url)
            if known is None:
                self._meet(state.url, state.address)
            elif why := flaw(state, now_ms):
                self._leave_out(state.url, why)
            elif state.url == self._membership.own.url:
                kept.append(state)  # no other node can write it: it is only outbid
            elif (believed := self._believed(known, state)) is not None:
                kept.append(believed)
        return kept

    def wanted(self, digests: Iterable[Digest]) -> tuple[Digest, ...]:
        """Digests that ask a SYN's sender for its knowledge of strangers: above all their addresses."""
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

    # --- a node's own word

    def answered(self, url: str, dialled: str, ack: Ack) -> str:
        """Take the dialled node's report of itself. Returns its true name; empty if it didn't give one."""
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
        """Whether the node that answers at an address may be the one it claims to be: anywhere but at the
        claimed URL and at the believed address, it must have the known node_id.
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
        """Enforce one node per address: a member that was found there before must be elsewhere now; any other
        name was another name of this node, and is forgotten.
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
        self.forget(alias)
        self._forget_stranger(alias)
        if name == own or name in self._proven:
            return
        if self._membership.state(name) is None:
            self._meet(name, dialled)
        else:
            self._doubt(name, dialled)  # this node asks it at its own address first

    def _log_alias(self, alias: str, name: str, said: NodeState | None, dialled: str) -> None:
        if name == self._membership.own.url:
            log.warning("NODE_PEERS names %s, which is this node itself: leave it out", alias)
        elif said is not None and said.address == dialled:
            log.info("the node at %s is %s", alias, name)  # it has moved there, and reports so
        else:
            log.warning("NODE_PEERS names %s, but the node there is called %s: write that name", alias, name)

    # --- the nodes to ask

    def next_check(self) -> Check | None:
        """The next node to ask, known nodes first; None: there is none. Call `checked` for each
        afterwards.
        """
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
        """Note that the question was asked. An open point is asked again only after another report of it."""
        if check in self._strangers:  # it was not proven
            del self._strangers[check]
            self._asked.pop(check.url, None)
            self._fail(check)
        else:
            self._doubted.pop(check.url, None)

    def hint(self, url: str) -> str:
        """Another address reported for a known node; empty: none."""
        return self._hints.get(url, "")

    def hint_failed(self, url: str) -> None:
        """Note that the node was not at that address; it isn't tried there again for some time."""
        self._fail(Check(url, self._hints.pop(url, "")))

    def is_proven(self, url: str) -> bool:
        """Whether the node has answered for itself since this one started, and no hearsay contradicts it."""
        return url in self._proven and url not in self._doubted

    def reached(self, url: str) -> bool:
        """Whether a node with that name has answered, even if under another name."""
        name = self._aliases.get(url, url)
        return name == self._membership.own.url or name in self._proven

    def address(self, url: str) -> str:
        """The host:port to dial. ValueError: it isn't a node URL."""
        known = self._membership.state(url)
        return (known.address if known else "") or address_of(url)

    def forget(self, url: str) -> None:
        """Forget a node that no longer exists."""
        self._membership.forget(url)
        self._proven.discard(url)
        self._doubted.pop(url, None)
        self._asked.pop(url, None)
        self._hints.pop(url, None)
        self._found_at = {address: name for address, name in self._found_at.items() if name != url}

    # --- the steps

    def _meet(self, url: str, address: str) -> None:
        """Queue a question to a stranger, if there is room and it could be a node."""
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
        self._failed[check] = (self._clock.monotonic() + pause, min(2 * pause, MAX_PAUSE_SECONDS))

    def _is_dialable(self, address: str) -> bool:
        return is_address(address) and (self._is_local or not is_loopback(address))

    def _forget_stranger(self, url: str) -> None:
        for check in [check for check in self._strangers if check.url == url]:
            del self._strangers[check]
            self._asked.pop(url, None)
        for check in [check for check in self._failed if check.url == url]:
            del self._failed[check]

    def _leave_out(self, url: str, why: str) -> None:
        """Count entries left out, and log the count at most once a minute."""
        self._left_out += 1
        now = self._clock.monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            about = f" for {url[:MAX_URL]!r}" if url else ""
            log.warning("left out %d entries of gossip; the last has %s%s", self._left_out, why, about)
            self._left_out, self._logged_at = 0, now


def _claims(state: NodeState) -> dict[str, Any]:
    claims = {field: getattr(state, field) for field in CLAIMS}
    return claims | {"address": state.address or address_of(state.url)}
