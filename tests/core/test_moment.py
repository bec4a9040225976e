"""Dates as milliseconds since 1970."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from limedb.core.moment import MAX_EXPIRES_AT_MS, MIN_EXPIRES_AT_MS, can_expire, moment_of


class Nowhere(tzinfo):
    """A time zone that doesn't know its offset."""

    def utcoffset(self, _date: datetime | None) -> timedelta | None:
        """As datetime asks it."""
        return None


def test_a_date_is_the_same_moment_in_each_time_zone() -> None:
    noon = datetime(2030, 1, 31, 12, 0, 0, 999_999, tzinfo=UTC)
    assert moment_of(noon) == moment_of(noon.astimezone(timezone(timedelta(hours=-9)))) == 1_896_091_200_999


@pytest.mark.parametrize("zone", [None, Nowhere()])
def test_a_date_without_a_time_zone_is_no_moment(zone: tzinfo | None) -> None:
    assert moment_of(datetime(2030, 1, 31, tzinfo=zone)) is None


def test_the_last_moment_is_the_end_of_9999() -> None:
    assert moment_of(datetime.max.replace(tzinfo=UTC)) == MAX_EXPIRES_AT_MS
    assert [can_expire(moment) for moment in (MIN_EXPIRES_AT_MS - 1, MIN_EXPIRES_AT_MS)] == [False, True]
    assert [can_expire(moment) for moment in (MAX_EXPIRES_AT_MS, MAX_EXPIRES_AT_MS + 1)] == [True, False]
