"""Fetches the wheels of a requirements lock and lays out one Bazel package for each, in the working directory.

A repository rule runs this. One pip fetches everything: the start of a pip costs more than most wheels do.
"""

from __future__ import annotations

import argparse
import email.parser
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_PACKAGE = """\
load("@rules_python//python:py_library.bzl", "py_library")

package(default_visibility = ["//visibility:public"])

py_library(
    name = "pkg",
    srcs = glob(["site-packages/**/*.py"], allow_empty = True),
    data = glob(
        ["site-packages/**"],
        # pip's own records differ from one installation to the next, and runfiles cannot have spaces.
        exclude = ["**/*.py", "**/*.pyc", "**/* *", "**/*.dist-info/RECORD"],
        allow_empty = True,
    ),
    imports = ["site-packages"],
    deps = {deps},
)

alias(
    name = {name},
    actual = ":pkg",
)

filegroup(
    name = "whl",
    srcs = glob(["*.whl"]),
    data = {wheels},
)

filegroup(
    name = "data",
    srcs = glob(["data/**"], allow_empty = True),
)

filegroup(
    name = "dist_info",
    srcs = glob(["site-packages/*.dist-info/**"], allow_empty = True),
)

filegroup(
    name = "extracted_whl_files",
    srcs = glob(["bin/**", "data/**", "site-packages/**"], allow_empty = True),
)
"""

_HUB = """\
\"\"\"The distributions of a requirements lock.\"\"\"

all_requirements = {requirements}
all_whl_requirements = [label + ":whl" for label in all_requirements]
all_data_requirements = [label + ":data" for label in all_requirements]

def _label(name, target):
    return "@@{hub}//%s:%s" % (name.replace("-", "_").replace(".", "_").lower(), target)

def requirement(name):
    return _label(name, "pkg")

def whl_requirement(name):
    return _label(name, "whl")

def data_requirement(name):
    return _label(name, "data")

def dist_info_requirement(name):
    return _label(name, "dist_info")
"""

_PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


class Wheel(NamedTuple):
    """An unpacked wheel.

    Attributes:
        name: the package's name in the hub.
        requires: the lines `Requires-Dist` of its metadata.
    """

    name: str
    requires: list[str]


def package_name(distribution: str) -> str:
    """Returns the name that a distribution has in the hub, `google-auth` → `google_auth`."""
    return re.sub(r"[-_.]+", "_", distribution).lower()


def fetch(pip: str, requirements: str, pip_args: list[str]) -> list[Path]:
    """Has pip put all wheels of the lock into the working directory's `wheels`.

    Args:
        pip: the wheel of pip, which is run as it is.
        requirements: the lock.
        pip_args: more arguments for pip.

    Returns:
        The wheels.
    """
    command = [sys.executable, "-I", f"{pip}/pip", "wheel", "--quiet", "--no-deps", "--no-input", "--progress-bar=off"]
    command += ["--disable-pip-version-check", "--wheel-dir=wheels", f"--requirement={requirements}", *pip_args]
    subprocess.run(command, check=True)  # noqa: S603
    return sorted(Path("wheels").glob("*.whl"))


def destination(member: str) -> PurePosixPath | None:
    """Returns where a file of a wheel goes to in its package, None for one that is left out."""
    path = PurePosixPath(member)
    if path.name in {"BUILD", "BUILD.bazel", "WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel"}:
        return None  # it would be a package of its own, and cut off what is below it
    if not path.parts[0].endswith(".data"):
        return PurePosixPath("site-packages", path)
    scheme, rest = path.parts[1], path.parts[2:]
    folder = {"purelib": "site-packages", "platlib": "site-packages", "scripts": "bin"}.get(scheme, scheme)
    return PurePosixPath(folder, *rest)


def unpack(wheel: Path) -> Wheel:
    """Unpacks one wheel into its package.

    Args:
        wheel: its file, which is moved into the package.

    Returns:
        What its metadata says.
    """
    name = package_name(wheel.name.split("-")[0])
    requires: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = None if member.is_dir() else destination(member.filename)
            if not target:
                continue
            path = Path(name, target)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(member))
            if target.parts[0] == "bin" or member.external_attr >> 16 & 0o111:
                path.chmod(0o755)
            if re.fullmatch(r"[^/]+\.dist-info/METADATA", member.filename):
                metadata = email.parser.HeaderParser().parsestr(path.read_text(encoding="utf-8"))
                requires = metadata.get_all("Requires-Dist") or []
    wheel.rename(Path(name, wheel.name))
    return Wheel(name, requires)


def make_namespaces_explicit(site_packages: Path) -> None:
    """Gives the folders without an `__init__.py` one that looks for the rest of the namespace elsewhere.

    Bazel would add an empty one, and of two wheels that share a namespace the second one would be hidden.
    """
    for folder in {module.parent for module in site_packages.rglob("*.py")}:
        for parent in (folder, *folder.parents):
            if parent == site_packages or site_packages not in parent.parents:
                break
            init = parent / "__init__.py"
            if not init.exists():
                init.write_text(_PKGUTIL, encoding="utf-8")


def dependencies(wheel: Wheel, extras: dict[str, set[str]]) -> list[str]:
    """Returns the packages of the hub that a wheel needs on this machine.

    Args:
        wheel: the wheel.
        extras: all packages of the hub, with the extras that are asked of each.

    Returns:
        Names of packages.
    """
    from pip._vendor.packaging.requirements import Requirement  # noqa: PLC0415 (its path comes with the arguments)

    needed = set()
    for line in wheel.requires:
        requirement = Requirement(line)
        name = package_name(requirement.name)
        marker = requirement.marker
        asked = extras[wheel.name] | {""}
        if name != wheel.name and name in extras and (not marker or any(marker.evaluate({"extra": e}) for e in asked)):
            needed.add(name)
    return sorted(needed)


def asked_extras(requirements: str, names: list[str]) -> dict[str, set[str]]:
    """Returns the extras that the lock asks of each package, `requests[socks]==…`."""
    extras: dict[str, set[str]] = {name: set() for name in names}
    pattern = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)\s*\[([^\]]*)\]", re.MULTILINE)
    for name, listed in pattern.findall(Path(requirements).read_text(encoding="utf-8")):
        extras.get(package_name(name), set()).update(extra.strip() for extra in listed.split(","))
    return extras


def main() -> int:
    """Fetches, unpacks, writes the BUILD files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hub", required=True)
    parser.add_argument("--pip", required=True)
    parser.add_argument("--requirements", required=True)
    parser.add_argument("--pip-arg", action="append", default=[])
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.pip)
    try:
        files = fetch(arguments.pip, arguments.requirements, arguments.pip_arg)
    except subprocess.CalledProcessError:
        return 1  # pip has said why
    wheels = [unpack(file) for file in files]
    extras = asked_extras(arguments.requirements, [wheel.name for wheel in wheels])
    for wheel in wheels:
        make_namespaces_explicit(Path(wheel.name, "site-packages"))
        needed = dependencies(wheel, extras)
        build = _PACKAGE.format(
            name=json.dumps(wheel.name),
            deps=json.dumps([f"//{name}:pkg" for name in needed]),
            wheels=json.dumps([f"//{name}:whl" for name in needed]),
        )
        Path(wheel.name, "BUILD.bazel").write_text(build, encoding="utf-8")
    labels = json.dumps([f"@@{os.path.basename(os.getcwd())}//{name}" for name in sorted(extras)])
    Path("BUILD.bazel").write_text('exports_files(["requirements.bzl"])\n', encoding="utf-8")
    Path("requirements.bzl").write_text(_HUB.format(requirements=labels, hub=Path.cwd().name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
