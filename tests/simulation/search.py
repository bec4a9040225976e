"""A search for a planted fault: seeds of some scenarios, by turns, until one shows it or a budget is spent.

It owns the budget. Which seeds show a fault changes with each change of scheduling, so no test may name one:
a test names scenarios, and the words by which it shows there. The budget is counted in steps, which are
callbacks that the loop runs, and not in seconds: a slow machine finds what a quick one finds.
"""

import os
import re
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.simulation.sim import Sim, SimulationError, run_sim

Scenario = Callable[[Sim], Awaitable[Any]]

BUDGET_STEPS = 6_000_000
"""Of a search. A usual run takes 3,000 to 500,000."""

RUN_STEPS = 800_000
"""Of one run in a search: a cluster that a fault has ruined is simulated slowly, and the next seed may show
it at once.
"""

LEAST_STEPS = 20_000
"""That a run is counted as, so that a scenario which fails at its start ends a search soon."""


class NotFoundError(AssertionError):
    """No seed within the budget showed the fault; the text has what they showed instead."""


@dataclass(frozen=True, slots=True)
class Find:
    """What showed a fault. runs, steps: of the whole search."""

    seed: int
    runs: int
    steps: int
    error: SimulationError


def search(*scenarios: Scenario, shows: str, budget: int = BUDGET_STEPS, run_steps: int = RUN_STEPS) -> Find:
    """Run scenarios on one seed after the other until one fails with an error in which `shows` is found, a
    regular expression. What fails in another way is no find. run_steps: after which a run is given up.
    NotFoundError.

    The first seed is 0, or SIM_SEARCH_FROM: a fault must be found from anywhere.
    """
    steps, runs, others = 0, 0, list[str]()
    for seed in count(int(os.environ.get("SIM_SEARCH_FROM", "0"))):
        for scenario in scenarios:
            if steps >= budget:
                raise NotFoundError("\n".join([f"{runs} runs, {steps} steps: no {shows!r}", *others]))
            runs += 1
            try:
                ran = run_sim(seed, scenario, most_steps=run_steps)[1].steps
                steps += max(ran, LEAST_STEPS)
            except SimulationError as error:
                steps += max(error.steps, LEAST_STEPS)
                if re.search(shows, "".join(traceback.format_exception(error))):
                    return Find(seed, runs, steps, error)
                others.append(f"seed {seed}: {str(error).rsplit(chr(10), 1)[-1]}")
    raise AssertionError("seeds have no end")
