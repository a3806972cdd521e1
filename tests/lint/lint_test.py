"""The source tree keeps the project's rules: format, lint, types, and which module may import which."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import mypy.api
import pytest
from importlinter import cli

TOP_LEVEL = {"MODULE.bazel", "BUILD.bazel", "README.md", "LICENSE", "CONTRIBUTING.md", "registry_rules", "py", "tests"}
TOP_LEVEL |= {"examples", "tools", "docs"}
STARLARK = {".bzl", ".bazel"}
PYTHON = ["py", "docs", "examples", "tests", "tools/debian_bazel"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree; the tools do not follow the links that runfiles are."""
    copy = tmp_path_factory.mktemp("tree")
    for source in sorted(Path.cwd().rglob("*")):
        # Beside the sources, the runfiles hold what the build made of them.
        if source.is_file() and "/bazel-out/" not in os.path.realpath(source):
            target = copy / source.relative_to(Path.cwd())
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return copy


def test_buildifier_finds_nothing_to_format_and_nothing_to_warn_of(tree: Path) -> None:
    files = sorted(str(path) for path in tree.rglob("*") if path.suffix in STARLARK)
    assert len(files) > 20
    buildifier = Path.cwd() / os.environ["BUILDIFIER"]
    _run([str(buildifier), "-mode=check", "-lint=warn", "-warnings=all", *files], tree)


def test_ruff_finds_nothing(tree: Path) -> None:
    _run([_ruff(), "check", "--no-cache", "--config", "py/pyproject.toml", "."], tree)


def test_python_is_formatted(tree: Path) -> None:
    _run([_ruff(), "format", "--no-cache", "--check", "--config", "py/pyproject.toml", "."], tree)


@pytest.mark.parametrize("part", PYTHON)
def test_types_are_strict(tree: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    monkeypatch.setenv("MYPYPATH", os.pathsep.join(str(tree / folder) for folder in ["py", "tests", "tests/py"]))
    files = sorted(str(path) for path in (tree / part).rglob("*.py"))
    assert files
    output, errors, code = mypy.api.run(
        ["--config-file=py/pyproject.toml", "--cache-dir=/dev/null", "--explicit-package-bases", *files]
    )
    assert code == 0, output + errors


def test_imports_run_one_way(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.lint_imports(config_filename=str(tree / "py/pyproject.toml"), no_cache=True)
    assert code == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_only_what_the_design_names_is_at_the_top(tree: Path) -> None:
    assert {path.name for path in tree.iterdir() if not path.name.startswith(".")} <= TOP_LEVEL


def test_starlark_files_say_who_may_load_them(tree: Path) -> None:
    files = list((tree / "registry_rules").rglob("*.bzl"))
    assert files
    assert [str(file) for file in files if not re.search(r"^visibility\(", file.read_text(), re.MULTILINE)] == []


def test_no_native_python_or_shell_rule_is_used(tree: Path) -> None:
    found = [
        f"{file.relative_to(tree)}: {rule}"
        for file in tree.rglob("*")
        if file.suffix in STARLARK and "tools/debian_bazel" not in str(file)
        for rule in re.findall(r"^\s*((?:py|sh)_(?:binary|library|test))\(", file.read_text(), re.MULTILINE)
        if f'"{rule}")' not in file.read_text()
    ]
    assert found == []


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def _ruff() -> str:
    package = importlib.util.find_spec("ruff")
    assert package is not None
    homes = Path(str(package.origin)).parents
    return next(str(home / "bin/ruff") for home in homes if (home / "bin/ruff").exists())
