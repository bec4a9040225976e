"""Groups leave when a lull comes, and not before the earlier ones are answered, or late."""

import asyncio

import pytest

from limedb.aio.group_window import BUSY_PART, MOST_LINGERS, GroupWindow
from tests.cluster.virtual import run_virtual

LINGER = 0.005


class Groups:
    """What was sent, and when; each item is a number. share: of the time that the loop works."""

    def __init__(self, share: float = 0.0) -> None:
        self.waiting: list[int] = []
        self.sent: list[tuple[float, list[int]]] = []
        time = asyncio.get_running_loop().time
        self.window = GroupWindow(self._send, lambda: len(self.waiting), LINGER, lambda: share * time())

    def come(self, *items: int) -> None:
        for item in items:
            self.waiting.append(item)
            self.window.notify()

    def _send(self) -> int:
        group, self.waiting = self.waiting, []
        self.sent.append((asyncio.get_running_loop().time(), group))
        return 1


def test_a_lone_item_leaves_at_once() -> None:
    async def scenario() -> None:
        groups = Groups()
        groups.come(1)
        await asyncio.sleep(0.001)
        assert groups.sent == [(0.0, [1])]

    run_virtual(scenario())


def test_items_that_come_together_leave_together() -> None:
    async def scenario() -> None:
        groups = Groups()
        groups.come(1, 2, 3, 4)
        await asyncio.sleep(0)
        groups.come(5)
        await asyncio.sleep(0.001)
        assert [items for _, items in groups.sent] == [[1, 2, 3, 4, 5]]

    run_virtual(scenario())


def test_what_comes_meanwhile_waits_for_the_answer() -> None:
    async def scenario() -> None:
        groups = Groups()
        groups.come(1)
        await asyncio.sleep(0.001)
        groups.come(2)
        groups.come(3)
        await asyncio.sleep(0.001)
        assert len(groups.sent) == 1
        groups.window.end()
        await asyncio.sleep(0.001)
        assert groups.sent == [(0.0, [1]), (0.002, [2, 3])]

    run_virtual(scenario())


def test_what_comes_meanwhile_waits_no_longer_than_the_linger() -> None:
    async def scenario() -> None:
        groups = Groups()
        groups.come(1)
        await asyncio.sleep(0.001)
        groups.come(2)
        await asyncio.sleep(1.0)
        assert groups.sent == [(0.0, [1]), (LINGER, [2])]
        groups.come(3)
        await asyncio.sleep(0.001)
        assert groups.sent[2:] == [(1.001, [3])]

    run_virtual(scenario())


def test_an_answer_lets_nothing_go_where_nothing_waits() -> None:
    async def scenario() -> None:
        groups = Groups()
        groups.come(1)
        await asyncio.sleep(0.001)
        groups.window.end()
        await asyncio.sleep(0.1)
        assert len(groups.sent) == 1

    run_virtual(scenario())


def test_while_the_loop_is_busy_it_waits_longer_but_not_for_ever() -> None:
    async def scenario() -> None:
        groups = Groups(share=BUSY_PART)
        groups.come(1)
        await asyncio.sleep(0.001)
        groups.come(2)
        await asyncio.sleep(3 * LINGER)
        assert len(groups.sent) == 1
        groups.come(3)
        groups.window.end()
        await asyncio.sleep(0.001)
        assert [items for _, items in groups.sent] == [[1], [2, 3]]
        groups.come(4)
        await asyncio.sleep(1.0)
        assert groups.sent[2][1] == [4]
        assert groups.sent[2][0] - groups.sent[1][0] == pytest.approx(MOST_LINGERS * LINGER)

    run_virtual(scenario())


def test_a_loop_that_is_idle_meanwhile_lets_the_next_group_go() -> None:
    async def scenario() -> None:
        groups = Groups(share=BUSY_PART * 0.99)
        groups.come(1)
        await asyncio.sleep(0.001)
        groups.come(2)
        await asyncio.sleep(1.0)
        assert groups.sent == [(0.0, [1]), (LINGER, [2])]

    run_virtual(scenario())


def test_one_that_comes_late_to_a_busy_loop_waits_too() -> None:
    async def scenario() -> None:
        groups = Groups(share=1.0)
        groups.come(1)
        await asyncio.sleep(2 * LINGER)
        groups.come(2)
        await asyncio.sleep(LINGER)
        assert len(groups.sent) == 1
        await asyncio.sleep(MOST_LINGERS * LINGER)
        assert [items for _, items in groups.sent] == [[1], [2]]

    run_virtual(scenario())
