"""Whether a locked dependency has a known vulnerability: `python -m tests.audit`, as `make check` runs it."""
