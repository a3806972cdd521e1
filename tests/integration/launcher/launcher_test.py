"""What tools/bazel decides, with real executables as its surroundings: nothing of the launcher itself is replaced.

The peers (a bazelisk, a bazel, a server for downloads, Debian's archive) are small programs that do what those do. A
distribution of a few kilobytes stands for Debian's, so that its installation takes a fraction of a second.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# All that the launcher may call on a machine that is not Debian. PATH has these and nothing else.
_BASICS = (
    "awk basename bash cat chmod cksum curl date dirname env find grep id mkdir mv readlink rm sed sha256sum sleep sort"
)
_MORE = "tail timeout touch tr uname wget"
_DEBIAN = "cp dpkg-deb flock head ln nproc realpath tar test xargs"

_APT_GET = """\
#!/bin/sh
case "$*" in
  *indextargets*) echo http://mirror.invalid/debian/ ;;
  *" update"*) [ ! -e {folder}/offline ] || {{ echo "E: the mirror is away." >&2; exit 100; }} ;;
  *--print-uris*) echo "'http://mirror.invalid/all.deb' {deb} 1 SHA256:0" ;;
  *--download-only*) cp {folder}/{deb} "$(sed -n 's/^Dir::Cache::archives "\\(.*\\)";/\\1/p' "$2")" ;;
esac
"""
_DEB = "bazel-bootstrap_7.7.1+ds-8_all.deb"
_JAVA = """\
#!/bin/sh
echo '    java.specification.version = 25' >&2
"""
_LOADER = """\
#!/bin/sh
[ "$1" != --library-path ] || shift 2
exec "$@"
"""
_PATCHELF = """\
#!/bin/sh
while [ -e {folder}/pause ]; do touch {folder}/paused; sleep 0.05; done
"""


def find_launcher() -> Path:
    """Returns the launcher of the tree, or of the runfiles, that this file is in."""
    for folder in Path(__file__).absolute().parents:
        if (folder / "tools/bazel").exists():
            return folder / "tools/bazel"
    message = f"there is no tools/bazel above {__file__}"
    raise FileNotFoundError(message)


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


class Machine:
    """A folder with a workspace, a HOME and a PATH of its own.

    Attributes:
        root: the folder.
        launcher: the launcher of the workspace.
        bin: the only folder on PATH.
        environment: all environment variables.
    """

    def __init__(self, root: Path) -> None:
        """Makes a machine in a folder that exists and is empty."""
        self.root = root
        self.bin = root / "bin"
        tools = find_launcher().parent
        self.launcher = root / "workspace/tools/bazel"
        shutil.copytree(tools, self.launcher.parent, ignore=shutil.ignore_patterns("BUILD.bazel", "__pycache__"))
        (root / "workspace/.bazelversion").write_text("7.7.1\n", encoding="utf-8")
        self.bin.mkdir()
        self.offer(*_BASICS.split(), *_MORE.split())
        self.environment = {
            "BAZELISK_BASE_URL": "http://127.0.0.1:1",  # where nobody answers
            "HOME": str(root / "home"),
            "PATH": str(self.bin),
            "REGISTRY_RULES_BAZELISK_URL": "http://127.0.0.1:1",
            "REGISTRY_RULES_DEBIAN_VERSION_FILE": str(root / "debian_version"),
        }

    @property
    def cache(self) -> Path:
        """The folder that the launcher keeps everything in."""
        return self.root / "home/.cache/registry_rules/bazel"

    def offer(self, *names: str) -> None:
        """Puts programs of the real machine on PATH, those that it has."""
        for name in names:
            if (program := shutil.which(name, path=os.defpath + os.pathsep + os.environ.get("PATH", ""))) is not None:
                (self.bin / name).symlink_to(program)

    def add_peer(self, name: str, version: str = "bazel 7.7.1", *, text: str = "") -> Path:
        """Puts a program on PATH that tells its version, notes each call, and prints its arguments."""
        calls = self.root / f"{name}.calls"
        version_case = f'[ "$1" != --version ] || {{ echo "{version}"; exit {0 if version else 1}; }}'
        body = f'#!/bin/sh\necho "$@" >>{calls}\n{version_case}\n{text}\necho {name} "$@"\n'
        return write_program(self.bin / name, body)

    def calls(self, name: str) -> list[str]:
        """Returns the arguments of each call of a peer."""
        return (self.root / f"{name}.calls").read_text(encoding="utf-8").splitlines()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts the launcher in a process group of its own."""
        return subprocess.Popen(
            [self.launcher, *arguments],
            cwd=self.launcher.parents[1],
            env=self.environment | environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Runs the launcher.

        Args:
            *arguments: its arguments.
            **environment: added to the machine's.

        Returns:
            The exit code, what was printed, and what was said on stderr.
        """
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out.strip(), err.strip()


class Debian(Machine):
    """A Debian whose archive consists of a single package."""

    def __init__(self, root: Path) -> None:
        """Makes a machine in a folder that exists and is empty, and the package."""
        super().__init__(root)
        self.offer(*_DEBIAN.split())
        (root / "debian_version").touch()
        self._build_package(root / "package")
        write_program(self.bin / "apt-get", _APT_GET.format(folder=root, deb=_DEB))
        write_program(root / "jvm/25/bin/java", _JAVA)
        self.python = write_program(
            root / "python3", f'#!/bin/sh\n[ "$1" = -I ] || exec {sys.executable} "$@"\necho $0\n'
        )
        self.environment |= {
            "REGISTRY_RULES_JVM_DIR": str(root / "jvm"),
            "REGISTRY_RULES_PYTHON": str(self.python),
        }

    def _build_package(self, root: Path) -> None:
        share = root / "usr/share/bazel"
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN/control").write_text(
            "Package: bazel-bootstrap\nVersion: 7.7.1+ds-8\nArchitecture: all\n"
            "Maintainer: x <x@localhost>\nDescription: x\n",
            encoding="utf-8",
        )
        write_program(root / f"usr/lib/{platform.machine()}-linux-gnu/ld-linux-test.so.2", _LOADER)
        write_program(root / "usr/bin/bazel", '#!/bin/sh\necho debian "$BAZEL_DEV_VERSION_OVERRIDE" "$@"\n')
        write_program(root / "usr/bin/patchelf", _PATCHELF.format(folder=self.root))
        write_program(root / "usr/libexec/any/bazel/daemonize", "")
        for folder in ("rules/python/python/extensions", "rules/python/python/runfiles", "tools/stardoc/stardoc"):
            (share / folder).mkdir(parents=True)
        (share / "bazel_classpath_debian_depends.txt").write_text(
            "/usr/share/java/a.jar\n/gone.jar\n", encoding="utf-8"
        )
        (root / "usr/share/python-wheels").mkdir()
        (root / "usr/share/python-wheels/pip-1-py3-none-any.whl").touch()
        (root / "usr/share/java").mkdir()
        with zipfile.ZipFile(root / "usr/share/java/a.jar", "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nClass-Path: /usr/share/ja\r\n va/b.jar\r\n")
        with zipfile.ZipFile(root / "usr/share/java/b.jar", "w"):
            pass
        subprocess.run(["dpkg-deb", "--build", root, self.root / _DEB], check=True, stdout=subprocess.DEVNULL)

    def installation(self) -> Path:
        """Returns the folder of the only installation."""
        (bazel,) = self.cache.glob("debian-*/bazel")
        return bazel.parent


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def debian() -> Iterator[Debian]:
    """A Debian that is not below /tmp, which the launcher would refuse."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("no dpkg-deb here: this part is for Debian only")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR", "/var/tmp")) as folder:  # noqa: S108
        yield Debian(Path(folder))


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address of the server that serves it."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def bazelisk_name() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"bazelisk-{platform.system().lower()}-{machine}"


def assert_one_sentence(text: str) -> None:
    assert text.count("\n") == 0, text
    assert text.startswith("tools/bazel: ")
    assert text.endswith(".")


class TestBazelReal:
    """Bazelisk has chosen."""

    def test_gets_the_arguments_as_they_are(self, machine: Machine) -> None:
        real = write_program(machine.root / "real", '#!/bin/sh\nprintf "<%s>" "$@"\nexit 7\n')
        code, out, err = machine.run("build", "a b", "", "*", BAZEL_REAL=str(real))
        assert (code, out, err) == (7, "<build><a b><><*>", "")

    def test_wins_over_path(self, machine: Machine) -> None:
        machine.add_peer("bazelisk")
        real = write_program(machine.root / "real", "#!/bin/sh\necho real\n")
        assert machine.run("build", BAZEL_REAL=str(real))[1] == "real"

    def test_that_is_this_file_is_not_followed(self, machine: Machine) -> None:
        machine.add_peer("bazelisk")
        assert machine.run("build", BAZEL_REAL=str(machine.launcher))[1] == "bazelisk build"

    def test_that_is_not_there_is_an_error(self, machine: Machine) -> None:
        code, _, err = machine.run("build", BAZEL_REAL="/nowhere/bazel")
        assert code == 1
        assert_one_sentence(err)
        assert "/nowhere/bazel" in err


class TestPath:
    """What PATH offers."""

    def test_bazelisk_comes_before_bazel(self, machine: Machine) -> None:
        machine.add_peer("bazelisk")
        machine.add_peer("bazel")
        assert machine.run("build", "//a b") == (0, "bazelisk build //a b", "")

    @pytest.mark.parametrize("version", ["bazel 7.1.0", "bazel 8.4.2-homebrew", "bazel 9.0.0", "Bazel 9.1.0"])
    def test_fitting_bazel_is_used(self, machine: Machine, version: str) -> None:
        machine.add_peer("bazel", version)
        assert machine.run("test") == (0, "bazel test", "")

    @pytest.mark.parametrize("version", ["bazel 6.5.0", "bazel 10.0.0", "bazel no_version", "7.7.1", ""])
    def test_other_bazel_is_not(self, machine: Machine, version: str) -> None:
        machine.add_peer("bazel", version)
        code, out, err = machine.run("test")
        assert (code, out) == (1, "")
        assert_one_sentence(err)
        assert "bazel 7 to 9" in err

    def test_bazelisk_that_fails_is_passed_over(self, machine: Machine) -> None:
        machine.add_peer("bazelisk", version="")
        machine.add_peer("bazel")
        assert machine.run("build")[1] == "bazel build"

    def test_any_version_that_bazelisk_is_told_is_used(self, machine: Machine) -> None:
        machine.add_peer("bazelisk", "bazel 6.5.0")
        assert machine.run("build", USE_BAZEL_VERSION="6.5.0")[1] == "bazelisk build"

    def test_success_is_remembered(self, machine: Machine) -> None:
        machine.add_peer("bazelisk")
        machine.run("build")
        machine.run("build")
        assert machine.calls("bazelisk") == ["--version", "build", "build"]

    def test_failure_is_not_remembered_without_another_way(self, machine: Machine) -> None:
        machine.add_peer("bazelisk", version="")
        assert machine.run("build")[0] == 1
        machine.add_peer("bazelisk")
        assert machine.run("build")[1] == "bazelisk build"

    def test_memory_depends_on_the_version_wanted(self, machine: Machine) -> None:
        machine.add_peer("bazelisk")
        machine.run("build")
        (machine.root / "workspace/.bazelversion").write_text("8.4.2\n", encoding="utf-8")
        machine.run("build")
        assert machine.calls("bazelisk") == ["--version", "build", "--version", "build"]

    def test_cache_that_cannot_be_written_is_done_without(self, machine: Machine) -> None:
        machine.add_peer("bazelisk")
        assert machine.run("build", XDG_CACHE_HOME="/dev/null/cache") == (0, "bazelisk build", "")


class TestLoops:
    """PATH leads back here."""

    def test_link_to_this_file_is_ignored(self, machine: Machine) -> None:
        (machine.bin / "bazel").symlink_to(machine.launcher)
        (machine.bin / "bazelisk").symlink_to(machine.launcher)
        code, _, err = machine.run("build")
        assert code == 1
        assert_one_sentence(err)

    def test_script_that_calls_this_file_is_ignored(self, machine: Machine) -> None:
        write_program(machine.bin / "bazel", f'#!/bin/sh\nexec {machine.launcher} "$@"\n')
        code, _, err = machine.run("build")
        assert code == 1
        assert_one_sentence(err)

    def test_copy_of_this_file_is_ignored(self, machine: Machine) -> None:
        shutil.copy(machine.launcher, machine.bin / "bazel")
        assert machine.run("build")[0] == 1

    def test_script_that_hides_it_comes_to_an_end(self, machine: Machine) -> None:
        machine.add_peer("bazel", text=f'exec {machine.launcher} "$@"')
        code, _, err = machine.run("build")
        assert code == 1
        assert_one_sentence(err)

    def test_called_by_link_finds_its_workspace(self, machine: Machine) -> None:
        machine.add_peer("bazelisk")
        link = machine.root / "somewhere/else"
        link.parent.mkdir()
        link.symlink_to("../workspace/tools/bazel")
        result = subprocess.run([link, "info"], env=machine.environment, capture_output=True, text=True, check=True)
        assert result.stdout == "bazelisk info\n"


class TestBazelisk:
    """Bazelisk is downloaded."""

    def test_tampered_download_is_refused(self, machine: Machine, downloads: tuple[Path, str]) -> None:
        folder, url = downloads
        (folder / bazelisk_name()).write_text("#!/bin/sh\necho evil\n", encoding="utf-8")
        code, out, err = machine.run("build", REGISTRY_RULES_BAZELISK_URL=url)
        assert (code, out) == (1, "")
        assert_one_sentence(err)
        assert "sha256" in err
        assert not list(machine.cache.glob("bazelisk*"))

    def test_download_is_kept(self, machine: Machine, downloads: tuple[Path, str]) -> None:
        folder, url = downloads
        body = b'#!/bin/sh\n[ "$1" != --version ] || echo bazel 7.7.1\necho downloaded "$@"\n'
        (folder / bazelisk_name()).write_bytes(body)
        text = machine.launcher.read_text(encoding="utf-8")
        name = bazelisk_name().removeprefix("bazelisk-")
        pinned = next(line.split()[2] for line in text.splitlines() if line.strip().startswith(f"{name}) echo "))
        machine.launcher.write_text(text.replace(pinned, hashlib.sha256(body).hexdigest()), encoding="utf-8")
        assert machine.run("build", REGISTRY_RULES_BAZELISK_URL=url) == (0, "downloaded build", "")
        (folder / bazelisk_name()).unlink()
        assert machine.run("build", REGISTRY_RULES_BAZELISK_URL=url) == (0, "downloaded build", "")

    def test_without_network_says_what_to_do(self, machine: Machine) -> None:
        code, _, err = machine.run("build")
        assert code == 1
        assert_one_sentence(err)
        assert "connect to GitHub" in err


class TestDebian:
    """Bazel comes from Debian's packages."""

    def test_is_installed_once(self, debian: Debian) -> None:
        code, out, err = debian.run("build", "//a b")
        bazelrc = debian.installation() / "bazelrc"
        assert (code, out) == (0, f"debian 7.7.1 --nosystem_rc --bazelrc={bazelrc} build //a b")
        assert_one_sentence(f"{err}.")
        assert debian.run("build")[2] == ""
        assert not list(debian.cache.glob("*.staging"))

    def test_class_path_is_here(self, debian: Debian) -> None:
        debian.run("build")
        root = debian.installation() / "root/usr/share"
        lines = (root / "bazel/bazel_classpath_debian_depends.txt").read_text(encoding="utf-8").splitlines()
        assert lines == [str(root / "java/a.jar"), str(root / "java/b.jar")]

    def test_bazelisk_that_cannot_download_is_passed_over_and_remembered(self, debian: Debian) -> None:
        debian.add_peer("bazelisk", version="")
        assert debian.run("build")[1].startswith("debian ")
        assert debian.run("build")[1].startswith("debian ")
        assert debian.calls("bazelisk") == ["--version"]

    def test_interrupted_installation_is_made_again(self, debian: Debian) -> None:
        (debian.root / "pause").touch()
        process = debian.start("build")
        while not (debian.root / "paused").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert list(debian.cache.glob("debian-*.staging"))
        (debian.root / "pause").unlink()
        assert debian.run("build")[1].startswith("debian ")
        assert not list(debian.cache.glob("debian-*.staging"))

    def test_two_at_once_install_once(self, debian: Debian) -> None:
        (debian.root / "pause").touch()
        first = debian.start("build")
        while not (debian.root / "paused").exists():
            assert first.poll() is None
            time.sleep(0.01)
        second = debian.start("build")
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        (debian.root / "pause").unlink()
        for process in (first, second):
            assert process.communicate()[0].startswith("debian ")
            assert process.returncode == 0

    def test_is_made_again_when_its_python_is_gone(self, debian: Debian) -> None:
        debian.run("build")
        moved = debian.python.rename(debian.root / "python3.x")
        code, out, err = debian.run("build", REGISTRY_RULES_PYTHON=str(moved))
        assert (code, out.split()[0]) == (0, "debian")
        assert "getting Bazel" in err

    def test_is_made_again_when_its_files_change(self, debian: Debian) -> None:
        debian.run("build")
        with (debian.launcher.parent / "debian_bazel/rules_python/pip.bzl").open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert "getting Bazel" in debian.run("build")[2]

    def test_cache_below_tmp_is_refused(self, debian: Debian) -> None:
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            code, _, err = debian.run("build", XDG_CACHE_HOME=folder)
        assert code == 1
        assert_one_sentence(err)
        assert "XDG_CACHE_HOME" in err

    def test_relative_cache_is_ignored(self, debian: Debian) -> None:
        debian.run("build", XDG_CACHE_HOME="cache")
        assert debian.installation().is_relative_to(debian.root / "home/.cache")

    def test_mirror_that_is_away_is_named(self, debian: Debian) -> None:
        (debian.root / "offline").touch()
        code, _, err = debian.run("build")
        assert code == 1
        assert_one_sentence(err.splitlines()[-1])
        assert "the mirror is away" in err

    def test_packages_that_have_changed_are_an_error_without_traceback(self, debian: Debian) -> None:
        shutil.rmtree(debian.root / "package/usr/share/python-wheels")
        subprocess.run(
            ["dpkg-deb", "--build", debian.root / "package", debian.root / _DEB], check=True, capture_output=True
        )
        code, _, err = debian.run("build")
        assert code == 1
        assert_one_sentence(err.splitlines()[-1])
        assert "Traceback" not in err


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
