from hypothesis import given
from hypothesis import strategies as st

from limedb.core.slewed_time import RATE, STEP_MS, SlewedTime

moves = st.lists(st.tuples(st.floats(0, 100), st.floats(-10_000_000, 10_000_000)), max_size=50)


@given(moves)
def test_time_never_steps_back_and_never_falls_behind_the_clock(moves: list[tuple[float, float]]) -> None:
    wall, at = 1e12, 0.0
    time, last = SlewedTime(wall, at), wall
    for seconds, jump in moves:
        at += seconds
        wall += seconds * 1000 + jump
        now = wall + time.lead(wall, at)
        time.set(now, at)
        assert now >= wall
        assert now >= last - STEP_MS
        last = now


def test_a_lead_is_worked_off_at_a_tenth_of_real_time() -> None:
    time = SlewedTime(1_000_000, 0.0, lead_ms=60_000)
    assert time.lead(1_000_000, 0.0) == 60_000
    assert round(time.lead(1_010_000, 10.0)) == 60_000 - 10_000 * (1 - RATE)
    assert time.lead(1_600_000, 600.0) == 0
