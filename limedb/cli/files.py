"""What `limedb import` and `limedb export` share: the form of a file."""

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
    """The form that was named, or that the file's ending tells. UsageError: neither."""
    found = form or _ENDINGS.get(file.suffix.lower())
    if found is None:
        raise click.UsageError(f"{file} doesn't end in .jsonl, .csv or .json: say --format")
    return found
