"""Errors are copied as they are: pools of processes and task queues send them to other processes.

Tests limedb/errors/base.py, limedb/errors/callers.py, limedb/errors/limits.py, limedb/errors/remote.py,
limedb/errors/requests.py, limedb/errors/starting.py, limedb/errors/stores.py and
limedb/errors/unavailable.py.
"""

import copy
import inspect
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from limedb import errors
from limedb.core.topology import Topology

FACTS: dict[str, object] = {
    "errors": {"k": errors.ValueTooLargeError("k", 2, 1)},
    "facts": {"limit": "1"},
    "keys": ("k", "l"),
    "missing": {"http://a:1": "down"},
    "serving": ["node-1"],
    "topology": Topology("0123456789abcdef", 7),
}
COPIES: dict[str, Callable[[errors.LimeDBError], errors.LimeDBError]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


def all_classes(root: type[errors.LimeDBError]) -> list[type[errors.LimeDBError]]:
    return [root, *(found for child in root.__subclasses__() for found in all_classes(child))]


OURS = [cls for cls in all_classes(errors.LimeDBError) if cls.__module__ == errors.__name__]


def sample(cls: type[errors.LimeDBError]) -> errors.LimeDBError:
    """An error of a class, with a fact for each parameter."""
    if cls.__init__ is Exception.__init__:
        return cls("the text")
    numbers = {"int", int, float}
    parameters = list(inspect.signature(cls).parameters.values())
    return cls(*(FACTS.get(p.name, 3 if p.annotation in numbers else f"a {p.name}") for p in parameters))


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("cls", OURS)
def test_a_copy_has_the_class_the_text_and_the_facts(cls: type[errors.LimeDBError], way: str) -> None:
    error = sample(cls)
    error.tried = "tried 3 times in 1.2 s"
    copied = COPIES[way](error)
    assert type(copied) is cls
    assert (str(copied), copied.args) == (str(error), error.args)
    assert "tried 3 times" in str(copied)
    assert vars(copied).keys() == vars(error).keys()
    if cls is errors.PartialFailureError:
        assert {key: str(each) for key, each in vars(copied)["errors"].items()} == {
            key: str(each) for key, each in vars(error)["errors"].items()
        }
    else:
        assert vars(copied) == vars(error)


def refuse(size: int) -> None:
    raise errors.InvalidKeyError(size, 4096)


@pytest.mark.process
def test_a_pool_of_processes_passes_an_error_on() -> None:
    """Nobody waits for ever."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool, pytest.raises(errors.InvalidKeyError) as caught:
        pool.map_async(refuse, [5000]).get(timeout=120)
    assert (caught.value.size, caught.value.limit) == (5000, 4096)
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        error = executor.submit(refuse, 0).exception(timeout=120)
        assert isinstance(error, errors.InvalidKeyError)
        assert executor.submit(len, "still there").result(timeout=120) == 11


@pytest.mark.parametrize(
    ("role", "remedy"), [("write", "an administrator can grant it"), ("node", "only nodes have it")]
)
def test_a_missing_role_has_its_remedy(role: str, remedy: str) -> None:
    assert (
        str(errors.PermissionDeniedError("shop", role))
        == f"shop lacks the role {role} for all of this: {remedy}"
    )
