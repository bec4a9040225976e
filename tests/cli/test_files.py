"""The form of a file: as given, else by its ending."""

from pathlib import Path

import click
import pytest

from limedb.bulk.items import Format
from limedb.cli.files import form_of


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.jsonl", Format.JSONL), ("a.NDJSON", Format.JSONL), ("a.b.csv", Format.CSV), ("a.json", Format.GO)],
)
def test_the_ending_says_the_form(name: str, form: Format) -> None:
    assert form_of(Path(name), None) is form


def test_a_given_form_counts_more_than_the_ending() -> None:
    assert form_of(Path("a.json"), Format.CSV) is Format.CSV


@pytest.mark.parametrize("name", ["a", "a.txt", "-"])
def test_a_file_whose_form_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(click.UsageError, match="give --format"):
        form_of(Path(name), None)
