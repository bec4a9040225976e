"""What the repository says of itself is so. Links inside of docs/ are held by `make docs`."""

import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_that_a_page_links_is_there(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_each_target_of_make_that_a_page_names_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [*PAGES, *ROOT.glob("docs/**/*.md"), ROOT / ".pre-commit-config.yaml"]
    for page in pages:
        named = re.findall(r"`make ([a-z-]+(?: [a-z-]+)*)", page.read_text())
        assert {name for names in named for name in names.split()} <= targets, page


def test_each_program_of_the_environment_that_a_page_names_is_there() -> None:
    named = {
        name
        for page in [*PAGES, *ROOT.glob("docs/**/*.md")]
        for name in re.findall(r"\.venv/bin/([\w.-]*\w)", page.read_text())
    }
    assert {"envoy", "limedb"} <= named
    assert sorted(name for name in named if not Path(sys.executable).with_name(name).exists()) == []


def test_the_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_each_module_that_a_text_names_is_there() -> None:
    code = [path for folder in ("limedb", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    known = {str(path.relative_to(ROOT)) for path in code}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    lost = [
        f"{text.relative_to(ROOT)}: {name}"
        for text in [*code, *pages]
        for name in re.findall(r"`([a-z_/]+\.py)`", text.read_text())
        if not any(path == name or path.endswith(f"/{name}") for path in known)
    ]
    assert lost == []


BANNED = re.compile(
    r"\b(?:(?:is|are|was|were|be|been) told|tells|goes on|whoever|for ever"
    r"|anew|in the clear|dearer|as dear|ha(?:s|ve)n't what|stands? between"
    r"|(?:go|goes|going|went|gone) over to|(?:take[ns]?|took) [^.;:|]{1,40} for dead)\b"
    r"|(?<=[.;] )(?-i:Who|What) [a-z](?![^?.;]*\?)",
    re.IGNORECASE,
)


def test_texts_use_none_of_the_banned_phrases() -> None:
    """Write "returns", "reports", "continues", "forever", "again", or name the subject, instead.

    The subject of a statement is a noun, so only a question begins with "Who" or "What" and a verb.
    """
    texts = [
        ROOT / "README.md",
        *(ROOT / "limedb").rglob("*.py"),
        *(ROOT / "proto/limedbpb").rglob("*.proto"),
        *(ROOT / "docs").rglob("*.md"),
        *(path for path in (ROOT / "web/src").rglob("*.ts*") if "gen" not in path.parts),
    ]
    found = [
        f"{text.relative_to(ROOT)}: {phrase}"
        for text in texts
        for phrase in BANNED.findall(_unwrapped(text.read_text()))
    ]
    assert found == []


def _unwrapped(text: str) -> str:
    """Each paragraph or comment on one line."""
    return re.sub(r"(?<!\n)\n[ \t]*(?:(?:#|//) )?(?=\S)", " ", text)


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name)
def test_no_diagram_has_a_semicolon_which_ends_a_statement_of_mermaid(page: Path) -> None:
    diagrams = re.findall(r"^```mermaid\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert [line for diagram in diagrams for line in diagram.splitlines() if ";" in line] == []


def test_no_test_patches_a_private_name() -> None:
    """Faults are planted at seams: a class attribute (`*_class`), an argument, or a public name."""
    found = [
        f"{test.relative_to(ROOT)}: {name}"
        for test in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r'\bsetattr\([^,()]+,\s*"(_\w+)"', test.read_text())
    ]
    assert found == []
