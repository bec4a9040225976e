import pytest

from limedb.tui.figures import bar, clip, count, seconds, size, spark


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.42, "0.4"),
        (3, "3"),
        (12.4, "12"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (1234, "1.2k"),
        (34_000, "34k"),
        (999_999, "1.0M"),
        (5_600_000, "5.6M"),
        (7e9, "7.0G"),
        (3e12, "3T"),
    ],
)
def test_counts_are_short(number: float, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (52 << 20, "52 MiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_have_their_unit(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0.0s"), (9.94, "9.9s"), (42, "42s"), (240, "4m"), (7200, "2h"), (259200, "3d")]
)
def test_times_are_short(number: float, text: str) -> None:
    assert seconds(number) == text


def test_bars_have_their_width_whatever_the_share() -> None:
    assert bar(0.5, 4) == "██  "
    assert bar(0.53, 4) == "██▏ "
    assert bar(7, 4) == "████"
    assert bar(-1, 4) == "    "


def test_a_spark_line_shows_the_last_values_against_their_highest() -> None:
    assert spark([9, 0, 4, 8], 3) == "▁▅█"
    assert spark([0, 0], 4) == "  ▁▁"
    assert spark([], 2) == "  "


def test_clipped_text_says_that_it_is() -> None:
    assert (clip("abc", 3), clip("abcd", 3)) == ("abc", "ab…")
