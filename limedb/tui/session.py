"""All calls of the screen to the cluster.

It owns the connections: one stream to follow, calls to single nodes, and a client for values. It must never
show anything.

Tested in tests/tui/test_console.py.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypedDict

from limedb.client import Client, Entry, Receipt, connect
from limedb.client.arguments import addresses_of
from limedb.core.quorum import Level
from limedb.errors import UnavailableError
from limedb.operator.console import ConsoleCalls
from limedb.operator.console_follow import Follower
from limedb.operator.console_values import Gossip, KeyPage, Lost, Owner, Sample
from limedb.tls.target import Target, target_of
from limedb.tui.drafts import Draft, Present

PAGE_SIZE = 100


class TuiSession:
    """The cluster behind some addresses, "host:port,host:port", without TLS. seconds: the time for an
    answer, and for a late sample. InvalidRequestError: these are not addresses.

    Calls raise LimeDBError when they fail. Those for keys go to one cluster, the first that answered: once
    another one answers, they fail until `reconnect`.
    """

    def __init__(self, target: Target | str, seconds: float) -> None:
        self._seconds, self._target = seconds, target_of(target)
        shown = self._target.tls, self._target.token
        self._follower = Follower(addresses_of(self._target.address), seconds, *shown)
        self._calls = ConsoleCalls(seconds, *shown)
        self._client: Client | None = None
        self._opening = asyncio.Lock()
        self._own = self._met = ""

    @property
    def other_cluster(self) -> str:
        """The id of the cluster that answers now; "" if it is that of the calls for keys."""
        return self._met if self._met != self._own else ""

    async def follow(self) -> AsyncGenerator[Sample | Lost, None]:
        """Yield the cluster again and again, through whichever node answers."""
        async with aclosing(self._follower.follow()) as all_news:
            async for news in all_news:
                if isinstance(news, Sample) and news.cluster_id:
                    self._met = news.cluster_id
                    self._own = self._own or news.cluster_id
                yield news

    async def reconnect(self) -> None:
        """Let the calls for keys go to the cluster that answers now."""
        async with self._opening:
            self._own = self._met
            client, self._client = self._client, None
            if client is not None:
                await client.close()

    async def gossip(self, node_url: str) -> Gossip:
        """Ask a node for its view of the others by gossip."""
        return await self._calls.gossip(node_url, self._follower.addresses_to(node_url))

    async def page(self, prefix: str, after: str | None) -> KeyPage:
        """Return a page of the keys with a prefix, after a cursor."""
        self._refuse_other()
        return await self._calls.page(prefix, after, PAGE_SIZE, self._follower.addresses)

    async def owners(self, key: str) -> tuple[Owner, ...]:
        """Return the record of each owner of a key."""
        self._refuse_other()
        return await self._calls.owners(key, self._follower.addresses)

    async def get(self, key: str, level: Level | None) -> Entry | None:
        """Return the state of a key, at a level (None: the nodes' default); None: it has no value."""
        return await (await self._values()).get_entry(key, consistency=level)

    async def changes(self, key: str) -> AsyncGenerator[None, None]:
        """Yield once the watch of a key has begun, then at each of its changes."""
        has_begun = False
        async with aclosing((await self._values()).watch_pages(key)) as pages:
            async for page in pages:
                if page or not has_begun:
                    has_begun = True
                    yield

    async def set(self, draft: Draft) -> Receipt:
        """Store a draft. ConditionFailedError: the key no longer has the state that the draft replaces."""
        client = await self._values()
        life, replaced = draft.seconds, draft.replaced
        if replaced is None:
            return await client.set(draft.key, draft.value, life, consistency=draft.level)
        return await client.set(
            draft.key,
            draft.value,
            life,
            **_still(replaced),
            keep_ttl=draft.keeps_ttl,
            consistency=draft.level,
        )

    async def delete(self, key: str, level: Level | None, present: Present | None = None) -> bool:
        """Delete a key, at a level; return whether it had a value. present: only if it still has this;
        ConditionFailedError.
        """
        condition = _Condition() if present is None else _still(present)
        return await (await self._values()).delete(key, consistency=level, **condition)

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await self._calls.close()

    async def _values(self) -> Client:
        """Return the client; open it when it is first needed. UnavailableError: nothing answers, or another
        cluster does.
        """
        async with self._opening:
            self._refuse_other()
            if self._client is None:
                to = self._target.at(",".join(self._follower.addresses))
                client = connect(to.url, timeout=self._seconds, cluster_id=self._own, **to.files)
                await client.open()
                self._client = client
        return self._client

    def _refuse_other(self) -> None:
        if self.other_cluster:
            raise UnavailableError(
                f"cluster {self._met} answers here now, no longer {self._own}: press c to continue with it"
            )


class _Condition(TypedDict, total=False):
    if_version: int
    if_value: str | bytes


def _still(present: Present) -> _Condition:
    """Return the condition that a key still has its earlier state."""
    if present.version or present.value is None:
        return {"if_version": present.version}
    return {"if_value": present.value}
