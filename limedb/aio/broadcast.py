"""Asks many nodes at once, and hears all that answer.

It owns the tasks of the calls, which finish before the question does. It must never know the question, nor
count answers: where a number of them decides, `core/quorum_call.py` counts
(docs/decisions/0013-surveys-and-counts.md).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from limedb.errors import LimeDBError

T = TypeVar("T")

ASK_SECONDS = 2.0
"""Seconds that a node may take for an answer; one that can't be reached fails sooner."""


async def ask_each(
    urls: Iterable[str], ask: Callable[[str], Awaitable[T]], take: Callable[[str, T], None]
) -> None:
    """Ask all nodes side by side, and hand each answer over as it comes. Nodes that fail are left out."""

    async def hear(url: str) -> None:
        try:
            answer = await ask(url)
        except LimeDBError:
            return
        take(url, answer)

    tasks = [asyncio.ensure_future(hear(url)) for url in urls]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask_all(urls: Iterable[str], ask: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """The answers of those nodes that gave one."""
    answers: dict[str, T] = {}
    await ask_each(urls, ask, answers.__setitem__)
    return answers
