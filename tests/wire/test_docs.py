"""docs/errors.md says what the classes say."""

from tests.wire.reference import PAGE, reference


def test_the_page_of_errors_is_fresh() -> None:
    assert PAGE.read_text() == reference(), "docs/errors.md is stale: run `python -m tests.wire.reference`"
