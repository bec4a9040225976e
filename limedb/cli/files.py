"""The form of a file, for `limedb import` and `limedb export`."""

from pathlib import Path

import click

from limedb.bulk.items import Format

_ENDINGS = {".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".csv": Format.CSV, ".json": Format.GO}

form_option = click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Format]),
    callback=lambda _context, _option, value: Format(value) if value else None,
    help="jsonl, csv, or go (the data file of a Go LimeDB). Default: by the file's ending.",
)


def form_of(file: Path, form: Format | None) -> Format:
    """Return the form that was given, else that of the file's ending. UsageError: neither is known."""
    found = form or _ENDINGS.get(file.suffix.lower())
    if found is None:
        raise click.UsageError(f"{file} doesn't end in .jsonl, .csv or .json: give --format")
    return found
