"""A module's test is found: by its name, or where the module's docstring says.

x.py in a folder of limedb/ has test_x.py in the same folder of tests/, or its docstring says "Tested in
tests/….py" (or in several). Those import the module, or name it by its path in their own docstring. Exempt
are `__init__` modules, and those without a line of logic: constants, values and Protocols.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
MODULES = [path.relative_to(ROOT) for path in sorted((ROOT / "limedb").rglob("*.py"))]
POINTERS = re.compile(r"\bTested in (tests/[\w/]+\.py(?:(?:, and|,| and) tests/[\w/]+\.py)*)")
OTHER_FOLDERS = {
    "audit",
    "benchmarks",
    "envoy",
    "examples",
    "floods",
    "scenarios",
    "simulation",
    "support",
    "upgrade",
    "web",
}
"""Folders of tests that are of no package of their own: of the whole, of its environment, and of bench/."""


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def _docstring(path: Path) -> str:
    return " ".join((ast.get_docstring(_tree(path)) or "").split())


def _has_logic(module: Path) -> bool:
    """Whether any function does more than to be declared."""
    functions = [
        node for node in ast.walk(_tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return any(not _is_constant(line) for function in functions for line in function.body)


def _is_constant(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def _pointers(module: Path) -> list[Path]:
    return [
        Path(name)
        for names in POINTERS.findall(_docstring(module))
        for name in re.findall(r"tests/[\w/]+\.py", names)
    ]


def _namesake(module: Path) -> Path:
    return Path("tests", *module.parts[1:-1], f"test_{module.name}")


def _exercises(test: Path, module: Path) -> bool:
    return str(module) in _docstring(test) or _dotted(module) in _imports(test)


def _dotted(module: Path) -> str:
    return ".".join(module.with_suffix("").parts)


@cache
def _imports(test: Path) -> set[str]:
    """Modules that a test imports, and names that it imports from them, any of which may be modules."""
    found: set[str] = set()
    for node in ast.walk(_tree(test)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def _is_exempt(module: Path) -> bool:
    return module.name == "__init__.py" or not _has_logic(module)


@pytest.mark.parametrize("module", [path for path in MODULES if not _is_exempt(path)], ids=str)
def test_a_modules_test_is_found(module: Path) -> None:
    tests = [*_pointers(module), _namesake(module)]
    assert any((ROOT / test).exists() for test in tests), (
        f"write {_namesake(module)}, or name the test of {module} in its docstring: Tested in tests/….py."
    )


@pytest.mark.parametrize("module", [path for path in MODULES if _pointers(path)], ids=str)
def test_a_pointer_leads_to_a_test_of_the_module(module: Path) -> None:
    lost = [
        str(test) for test in _pointers(module) if not (ROOT / test).exists() or not _exercises(test, module)
    ]
    assert lost == [], f"these are not there, or neither import {module} nor name it in their docstring"


def test_the_tests_mirror_the_folders_of_the_package() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    lost = [
        str(folder)
        for folder in folders
        if folder.parts and folder.parts[0] not in OTHER_FOLDERS and not (ROOT / "limedb" / folder).is_dir()
    ]
    assert lost == []
