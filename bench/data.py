"""The keys and values that every system stores: a value contains its key, so any answer can be checked."""

VALUE_SIZE = 100
KEYS = 10_000


def key_of(number: int) -> str:
    return f"key-{number:09}"


def value_of(key: str) -> str:
    """Return the value of a key: always VALUE_SIZE bytes."""
    return f"{key}:".ljust(VALUE_SIZE, "v")


def dataset(count: int, first: int = 0) -> dict[str, str]:
    """Return that many keys with their values."""
    return {key: value_of(key) for key in map(key_of, range(first, first + count))}
