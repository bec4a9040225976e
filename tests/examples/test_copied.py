"""What docs/languages.md says to copy into a project of one's own works there, outside of this repository."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.examples import shown

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BUF = Path(sys.executable).with_name("buf")
PLUGINS = ROOT / "build/plugins"
STUBS = {
    "go": ("limedbpb/v1/kv.pb.go", "limedbpb/v1/kv_grpc.pb.go"),
    "typescript": ("gen/limedbpb/v1/kv_pb.ts", "gen/google/rpc/error_details_pb.ts"),
    "java": ("gen/limedb/v1/GetRequest.java", "gen/limedb/v1/KVServiceGrpc.java"),
    "python": ("gen/limedbpb/v1/kv_pb2.py", "gen/limedbpb/v1/kv_pb2.pyi"),
}
"""Some of the files that each language's stubs consist of."""


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    variables = {**os.environ, **(env or {})}
    return subprocess.run(
        command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=300, check=False
    )


def copied(folder: Path, language: str) -> Path:
    """A project with a copy of proto/ and a language's buf.gen.yaml, and code of its own where stubs go."""
    shutil.copytree(ROOT / "proto", folder / "proto")
    shutil.copy(EXAMPLES / language / "buf.gen.yaml", folder)
    own = folder / Path(STUBS[language][0]).parts[0] / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    return own


@pytest.mark.parametrize("language", STUBS)
def test_a_copied_file_generates_stubs_and_leaves_what_is_there(tmp_path: Path, language: str) -> None:
    needs = {
        "go": "go",
        "typescript": "npx",
        "java": PLUGINS / "grpc_java_plugin",
        "python": PLUGINS / "protoc",
    }
    if not shutil.which(needs[language]) or not EXAMPLES.joinpath(language, STUBS[language][0]).exists():
        pytest.skip(f"needs {needs[language]} (make examples)")
    own = copied(tmp_path, language)
    done = run(BUF, "generate", cwd=tmp_path, env={"PATH": f"{PLUGINS}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    assert [name for name in STUBS[language] if not (tmp_path / name).is_file()] == []
    assert own.read_text() == "mine"


def test_the_stubs_of_go_compile_in_a_module_of_another_name(tmp_path: Path) -> None:
    stubs = EXAMPLES / "go/limedbpb"
    if not shutil.which("go") or not stubs.exists():
        pytest.skip("needs the example in go (make examples)")
    shutil.copytree(stubs, tmp_path / "internal/limedbpb")
    shutil.copy(EXAMPLES / "go/go.sum", tmp_path)
    module = (EXAMPLES / "go/go.mod").read_text().replace("module limedb\n", "module example.com/mine\n")
    (tmp_path / "go.mod").write_text(module)
    main = (EXAMPLES / "go/main.go").read_text()
    (tmp_path / "main.go").write_text(
        main.replace('"limedb/limedbpb/v1"', '"example.com/mine/internal/limedbpb/v1"')
    )
    done = run("go", "build", "-o", tmp_path / "mine", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_copied_crate_builds_with_a_copy_of_proto_and_says_so_without(tmp_path: Path) -> None:
    target = EXAMPLES / "rust/target"
    if not shutil.which("cargo") or not (target / "debug/limedb-example").exists():
        pytest.skip("needs the example in rust (make examples)")
    folder = tmp_path / "mine/copy"
    shutil.copytree(EXAMPLES / "rust", folder, ignore=shutil.ignore_patterns("target"))
    for name in ("Cargo.toml", "Cargo.lock"):  # a name of its own: both build into one folder
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace('name = "limedb-example"', 'name = "copied-example"'))
    build = ("cargo", "build", "--quiet", "--offline")
    env = {"CARGO_TARGET_DIR": str(target)}
    done = run(*build, cwd=folder, env=env)
    assert "copy LimeDB's folder proto/ beside Cargo.toml" in done.stderr
    shutil.copytree(ROOT / "proto", folder / "proto")
    done = run(*build, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr


def test_a_copy_of_proto_is_whole_for_buf(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    done = run(BUF, "build", "proto", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_page_shows_the_code_of_each_example() -> None:
    assert {Path(path).parts[1] for path in shown.files()} == {"go", "typescript", "java", "rust"}
    page = shown.PAGE.read_text()
    assert page == shown.fresh(), "docs/languages.md is stale: run `python -m tests.examples.shown`"
    assert "--8<--" not in page
