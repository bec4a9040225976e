"""What carries a quorum call: requests run side by side, and outlive the verdict and the caller."""

import asyncio
from collections.abc import Sequence

import pytest

from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.tasks import Tasks
from limedb.core.quorum_call import QuorumCall, Tally, Verdict
from limedb.errors import LimeDBError, ReplicaUnreachableError
from tests.cluster.virtual import VirtualClock, run_virtual

A, B, C = (f"http://{name}:1" for name in "abc")


class Question(Tally[str]):
    """It keeps what it hears."""

    def __init__(self, need: int, targets: Sequence[str], *, at_once: bool = True) -> None:
        super().__init__(need, targets if at_once else ())
        if not at_once:
            self.aim([*targets])
        self.heard: list[str] = []

    def take(self, node_url: str, answer: str) -> None:
        super().take(node_url, answer)
        self.heard.append(answer)

    def take_late(self, node_url: str, answer: str) -> None:
        self.heard.append(f"late {answer}")

    def lose_late(self, node_url: str, error: LimeDBError) -> None:
        self.heard.append(f"late {error}")


class Nodes:
    """Answers after so many seconds; None: it can't be reached."""

    def __init__(self, **seconds: float | None) -> None:
        self.tasks, self.asked = Tasks(), list[str]()
        self.driver = QuorumDriver(VirtualClock(), self.tasks)
        self._seconds = {f"http://{name}:1": after for name, after in seconds.items()}

    async def ask(self, node_url: str, questions: Sequence[Question]) -> Sequence[str]:
        self.asked.append(node_url)
        if (seconds := self._seconds[node_url]) is None:
            raise ReplicaUnreachableError(node_url, "gone")
        await asyncio.sleep(seconds)
        return [node_url] * len(questions)


def test_it_returns_at_the_verdict_and_what_comes_later_is_heard() -> None:
    async def scenario() -> None:
        nodes, question, heard = Nodes(a=1.0, b=2.0, c=3.0), Question(2, (A, B, C)), list[int]()
        call = QuorumCall((question,), 10.0)
        await nodes.driver.run(call, nodes.ask, lambda questions: heard.append(len(questions)))
        assert (call.verdict, asyncio.get_running_loop().time()) == (Verdict.SETTLED, 2.0)
        await nodes.tasks.close(5.0)
        assert question.heard == [A, B, f"late {C}"]
        assert heard == [1, 1, 1]

    run_virtual(scenario())


def test_it_returns_at_the_deadline() -> None:
    async def scenario() -> None:
        nodes, question = Nodes(a=1.0, b=99.0), Question(2, (A, B))
        call = QuorumCall((question,), 3.0)
        await nodes.driver.run(call, nodes.ask)
        assert (call.verdict, asyncio.get_running_loop().time()) == (Verdict.EXPIRED, 3.0)
        assert [*question.waiting] == [B]
        await nodes.tasks.close(0.0)

    run_virtual(scenario())


@pytest.mark.parametrize(("first", "ended_at"), [(None, 1.0), (99.0, 1.5)])
def test_a_node_that_fails_is_replaced_at_once_and_a_late_one_soon(
    first: float | None, ended_at: float
) -> None:
    async def scenario() -> None:
        nodes, question = Nodes(a=first, b=1.0, c=1.0), Question(1, (A, B, C), at_once=False)
        call = QuorumCall((question,), 10.0, delay=0.5)
        await nodes.driver.run(call, nodes.ask)
        assert asyncio.get_running_loop().time() == pytest.approx(ended_at)
        assert nodes.asked[:2] == [A, B]
        await nodes.tasks.close(0.0)

    run_virtual(scenario())


def test_a_caller_that_is_cancelled_stops_no_request_and_asks_nobody_else() -> None:
    async def scenario() -> None:
        nodes, question = Nodes(a=1.0, b=None, c=1.0), Question(1, (A, B, C), at_once=False)
        call = QuorumCall((question,), 10.0)
        caller = asyncio.ensure_future(nodes.driver.run(call, nodes.ask))
        await asyncio.sleep(0.5)
        caller.cancel()
        await asyncio.wait([caller])
        assert call.verdict is Verdict.ABANDONED
        await nodes.tasks.close(5.0)
        assert (nodes.asked, question.heard) == ([A], [f"late {A}"])

    run_virtual(scenario())


def test_requests_that_the_node_stops_are_heard_of_as_lost() -> None:
    async def scenario() -> None:
        nodes, question = Nodes(a=1.0, b=99.0), Question(1, (A, B))
        await nodes.driver.run(QuorumCall((question,), 10.0), nodes.ask)
        await nodes.tasks.close(1.0)
        assert question.heard[0] == A
        assert "this node stops" in question.heard[1]

    run_virtual(scenario())


@pytest.mark.parametrize("targets", [(A,), (A, B)])
def test_a_bug_in_a_request_is_raised_to_the_caller(targets: Sequence[str]) -> None:
    async def broken(node_url: str, questions: Sequence[Question]) -> Sequence[str]:
        raise ZeroDivisionError

    async def scenario() -> None:
        tasks = Tasks()
        call = QuorumCall((Question(1, targets),), 10.0)
        with pytest.raises(ZeroDivisionError):
            await QuorumDriver(VirtualClock(), tasks).run(call, broken)
        await tasks.close(0.0)

    run_virtual(scenario())
