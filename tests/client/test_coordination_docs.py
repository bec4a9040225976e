"""The examples of docs/coordination.md, run as they stand against a real node."""

import ast
import asyncio
import inspect
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "coordination.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(node: str, number: int) -> None:
    text = EXAMPLES[number].replace("127.0.0.1:8484", node)
    code = compile(
        text, f"docs/coordination.md, example {number + 1}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    )
    result = eval(code, {"__name__": "example"})
    if inspect.iscoroutine(result):
        asyncio.run(result)
