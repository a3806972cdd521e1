"""A lock is the same, byte for byte, whichever Python wrote it, and on a machine with whatever settings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import registry_client
from integration.images import index, single, write_layout

LIBRARY = Path(registry_client.__file__).parents[1]
SETTINGS = {"LANG": "C", "PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland", "PYTHONUTF8": "0"}


def other_pythons() -> list[str]:
    """The paths of those that are here, beside the one that runs this test."""
    names = [f"python3.{minor}" for minor in range(10, 16) if minor != sys.version_info.minor]
    folders = (os.environ.get("REGISTRY_RULES_TEST_TOOLS"), None)
    found = [shutil.which(name, path=folder) for name in names for folder in folders]
    found += [str(path) for name in names for path in Path.home().glob(f".pyenv/versions/*/bin/{name}")]
    return [path for path in found if path and is_python(path)]


def is_python(path: str) -> bool:
    """Whether it is more than a shim of something that is not installed."""
    return subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0


def lock_written_by(python: str, folder: Path, settings: dict[str, str]) -> bytes:
    """What a Python makes of images in a layout."""
    folder.mkdir()
    images = {name: index(name) for name in ("app", "base")} | {"one": single("one")}
    write_layout(folder / "registry", images)
    request = {
        "images": {name: f"oci-layout:registry:{name}" for name in reversed(images)},
        "lockfile": "images.lock.json",
        "target": "//:images",
        "platforms": ["linux/amd64"],
        "frozen": {"base": 'weil "2.0" größer ist → später'},
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [python, "-m", "registry_client", "lock", "update", "--request", "request.json", "--json"]
    subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(LIBRARY), **settings}, check=True, capture_output=True)
    return (folder / "images.lock.json").read_bytes()


@pytest.mark.parametrize("other", other_pythons(), ids=lambda path: path.replace("/", "_"))
def test_another_python_writes_the_same_lock(other: str, tmp_path: Path) -> None:
    ours = lock_written_by(sys.executable, tmp_path / "ours", {})
    assert lock_written_by(other, tmp_path / "theirs", SETTINGS) == ours
    assert "größer".encode() in ours


def test_other_settings_make_the_same_lock(tmp_path: Path) -> None:
    ours = lock_written_by(sys.executable, tmp_path / "ours", {})
    assert lock_written_by(sys.executable, tmp_path / "theirs", SETTINGS) == ours
