"""Asks many nodes at once.



It owns the tasks of the calls, which end before the question does. It must never know what is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from limedb.errors import LimeDBError

T = TypeVar("T")

ASK_SECONDS = 2.0
"""Seconds that a node may take for an answer; one that can't be reached fails sooner."""


async def ask_each(
    urls: Iterable[str],
    ask: Callable[[str], Awaitable[T]],
    take: Callable[[str, T | LimeDBError], bool],
) -> None:
    """Ask all nodes side by side and hand each answer over as it comes; stop when one was enough.

    take: gets the URL with the answer, or the error instead; it returns whether that is enough, and the
    calls that still run are cancelled then.
    """
    tasks = {asyncio.ensure_future(_outcome(ask, url)): url for url in urls}
    try:
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in tasks if task in done]:  # in the order asked
                if take(tasks[task], task.result()):
                    return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask_all(urls: Iterable[str], ask: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """The answers of those nodes that gave one."""
    answers: dict[str, T] = {}

    def take(url: str, answer: T | LimeDBError) -> bool:
        if not isinstance(answer, LimeDBError):
            answers[url] = answer
        return False

    await ask_each(urls, ask, take)
    return answers


async def _outcome(ask: Callable[[str], Awaitable[T]], url: str) -> T | LimeDBError:
    try:
        return await ask(url)
    except LimeDBError as error:
        return error
