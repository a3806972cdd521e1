"""Makes unpacked Debian packages a Bazel that runs where it lies: class path, modules, options.

Everything is written below STAGING, and names the place that STAGING is moved to afterwards, FINAL.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import zipfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_SHARE = Path("root/usr/share/bazel")

# The modules of these packages. Whatever version of them is asked for, this is what comes: --override_module. It is an
# error for a module that is not in the graph, which these are: bazel_tools depends on them, or _NAMED does for it.
_MODULES = {
    "bazel_features": "tools/features",
    "bazel_lib": "tools/bazel_lib",
    "bazel_skylib": "tools/skylib",
    "platforms": "tools/platforms",
    "rules_cc": "rules/cc",
    "rules_java": "rules/java",
    "rules_license": "rules/license",
    "rules_proto": "rules/proto",
    "rules_python": "rules/python",
    "rules_shell": "rules/shell",
    "stardoc": "tools/stardoc",
}

# Modules that bazel_tools names, that no package has, and that nothing here loads from: empty ones stand for them.
_NAMED = {
    "apple_support": [],
    "buildozer": ["bazel_lib", "rules_shell", "stardoc"],
    "protobuf": [],
    "zlib": [],
}

# What replaces files of the packages, in this copy only.
_REPLACED = {
    "rules_python/pip.bzl": "rules/python/python/extensions/pip.bzl",
    "rules_python/py_binary.bzl": "rules/python/python/py_binary.bzl",
    "rules_python/py_test.bzl": "rules/python/python/py_test.bzl",
    "rules_python/python.bzl": "rules/python/python/extensions/python.bzl",
    "rules_python/rules_python.MODULE.bazel": "rules/python/MODULE.bazel",
    "rules_python/system.BUILD.bazel": "rules/python/system/BUILD.bazel",
    "rules_python/unpack_wheels.py": "rules/python/system/unpack_wheels.py",
    "stardoc.BUILD.bazel": "tools/stardoc/stardoc/BUILD",
}


def rewrite_class_path(staging: Path, final: Path) -> None:
    """Points the list of the server's jars here, and adds those that the jars' own manifests name."""
    root = staging / "root"
    listing = staging / _SHARE / "bazel_classpath_debian_depends.txt"
    listed = (root / line.strip().lstrip("/") for line in listing.read_text(encoding="utf-8").splitlines())
    jars = [jar for jar in listed if jar.is_file()]
    seen = {jar.resolve() for jar in jars}
    for jar in jars:  # grows while it is walked
        for name in manifest_class_path(jar):
            named = root / "usr/share/java" / name
            if named.exists() and named.resolve() not in seen:
                seen.add(named.resolve())
                jars.append(named)
    listing.write_text("".join(f"{final / jar.relative_to(staging)}\n" for jar in jars), encoding="utf-8")


def manifest_class_path(jar: Path) -> list[str]:
    """Returns the file names in the Class-Path of a jar's manifest."""
    with zipfile.ZipFile(jar) as archive:
        try:
            manifest = archive.read("META-INF/MANIFEST.MF").decode()
        except KeyError:
            return []
    unfolded = manifest.replace("\r\n", "\n").replace("\n ", "")
    lines = [line for line in unfolded.splitlines() if line.startswith("Class-Path:")]
    return [Path(entry).name for line in lines for entry in line.split()[1:]]


def relocate_links(staging: Path, final: Path) -> None:
    """Points absolute links of the packages, `/etc/java-25-openjdk/…`, to where their targets will be."""
    for folder, folders, files in os.walk(staging / "root"):
        for name in folders + files:
            link = Path(folder, name)
            if not link.is_symlink() or not (target := link.readlink()).is_absolute():
                continue
            here = staging / "root" / target.relative_to("/")
            if os.path.lexists(here):
                link.unlink()
                link.symlink_to(final / here.relative_to(staging))


def adapt_modules(staging: Path, final: Path, *, java: str, python: str) -> None:
    """Replaces what knows neither this machine, nor the current rules_python, nor a Java without downloads."""
    share = staging / _SHARE
    (share / "rules/python/system").mkdir()
    for source, target in _REPLACED.items():
        shutil.copyfile(_HERE / source, share / target)
    pip = next((staging / "root/usr/share/python-wheels").glob("pip-*.whl"))
    (share / "rules/python/system/system.bzl").write_text(
        '"""What the launcher found on this machine."""\n\n'
        f"PIP_WHEEL = {json.dumps(str(final / pip.relative_to(staging)))}\n\n"
        f"SYSTEM_PYTHON = {json.dumps(python)}\n",
        encoding="utf-8",
    )
    renderer = share / "tools/stardoc/stardoc/renderer"
    jar = final / _SHARE / "tools/stardoc/stardoc/renderer_prebuilt.jar"
    renderer.write_text(f"#!/bin/sh\nexec '{java}/bin/java' -jar '{jar}' \"$@\"\n", encoding="utf-8")
    renderer.chmod(0o755)
    for file in (share / "tools/bazel_lib/lib/private").glob("*_toolchain.bzl"):
        text = file.read_text(encoding="utf-8")
        file.write_text(
            text.replace('"/usr/libexec/bazel-lib/', f'"{final}/root/usr/libexec/bazel-lib/'), encoding="utf-8"
        )


def write_named_modules(folder: Path) -> None:
    """Writes the modules that are only named."""
    for name, dependencies in _NAMED.items():
        (folder / name).mkdir(parents=True)
        lines = [f'module(name = "{name}")', *(f'bazel_dep(name = "{d}", version = "0")' for d in dependencies)]
        (folder / name / "MODULE.bazel").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / name / "BUILD.bazel").touch()


def options(final: Path, java: str) -> list[str]:
    """Returns the lines of the bazelrc."""
    share = final / _SHARE
    modules = {name: share / folder for name, folder in _MODULES.items()}
    modules |= {name: final / "named" / name for name in _NAMED}
    return [
        f"startup --install_base={share} --trust_install_base --server_javabase={java}",
        "common --noenable_workspace",
        # The versions here are nobody else's: a lock file would be noise for everyone with a real registry.
        "common --lockfile_mode=off",
        # An empty one: a module that is not here is not to be had, and that is said at once instead of after timeouts.
        f"common --registry=file://{final}/registry",
        *(f"common --override_module={name}={folder}" for name, folder in modules.items()),
        # Not only for tests: options that differ between build and test throw away what has been analyzed.
        "build --test_env=REGISTRY_RULES_TEST_TOOLS",
    ]


def main() -> None:
    """Configures the packages unpacked below STAGING/root."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--staging", "--final"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("--java", "--python"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    staging, final = arguments.staging, arguments.final
    relocate_links(staging, final)
    rewrite_class_path(staging, final)
    adapt_modules(staging, final, java=arguments.java, python=arguments.python)
    write_named_modules(staging / "named")
    (staging / "registry/modules").mkdir(parents=True)
    (staging / "registry/bazel_registry.json").write_text("{}\n", encoding="utf-8")
    (staging / "bazelrc").write_text("\n".join(options(final, arguments.java)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
