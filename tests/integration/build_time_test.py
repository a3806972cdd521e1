"""An image_lock without a lock file: when its tags are resolved, where the result goes, and what it may use."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from integration.images import index, push, single
from integration.servers import PASSWORD, USER, htpasswd, serve_crane, serve_distribution
from integration.workspace import Package, Workspace, fails, succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EPOCH = "--@registry_rules//:resolve_epoch"
OPTIONS = "--@registry_rules//:registry_options"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with serve_crane(tmp_path) as address:
        push(address, "team/app", "1.0", index("app"))
        yield address


class RemoteCache(ThreadingHTTPServer):
    """A remote cache, as Bazel speaks to one by HTTP ("Remote Caching", "HTTP caching protocol")."""

    daemon_threads = True

    def __init__(self) -> None:
        """Serve at once."""
        super().__init__(("127.0.0.1", 0), _CacheHandler)
        self.stored: dict[str, bytes] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def option(self) -> str:
        """What makes Bazel use it."""
        return f"--remote_cache=http://127.0.0.1:{self.server_port}"


class _CacheHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RemoteCache

    def do_GET(self) -> None:
        found = self.server.stored.get(self.path)
        self._answer(404 if found is None else 200, found or b"")

    def do_PUT(self) -> None:
        self.server.stored[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def digest(workspace: Workspace, package: Package) -> str:
    return workspace.built(f"{package.name}/images/app.digest").decode()


def test_the_tags_are_resolved_again_when_the_epoch_changes_and_only_then(
    workspace: Workspace, package: Package, registry: str
) -> None:
    package.declare({"app": f"{registry}/team/app:1.0"}, lockfile=None)
    succeeds(workspace.build(f"{EPOCH}=monday", package.label("images.app")))
    push(registry, "team/app", "1.0", index("app, mended"))
    succeeds(workspace.build(f"{EPOCH}=monday", package.label("images.app")))
    assert digest(workspace, package) == index("app").digest
    succeeds(workspace.build(f"{EPOCH}=tuesday", package.label("images.app")))
    assert digest(workspace, package) == index("app, mended").digest


@pytest.mark.parametrize("kind", ["remote", "disk"])
def test_no_cache_that_others_share_has_the_result(
    workspace: Workspace, package: Package, registry: str, tmp_path: Path, kind: str
) -> None:
    with RemoteCache() as server:
        cache = server.option if kind == "remote" else f"--disk_cache={tmp_path / 'disk'}"
        package.declare({"app": f"{registry}/team/app:1.0"}, lockfile=None, tags=["manual"])
        # An action that caches do keep, to see that this one is used at all.
        (package.folder / "BUILD.bazel").open("a", encoding="utf-8").write(
            'genrule(name = "other", outs = ["other.txt"], cmd = "echo $(RULEDIR) > $@")\n'
        )
        succeeds(workspace.build(cache, package.label("images.app"), package.label("other")))
        stored = list(server.stored.values()) or [path.read_bytes() for path in tmp_path.glob("disk/cas/*/*")]
        assert any(package.name.encode() in data for data in stored)
        assert not any(index("app").digest.encode() in data for data in stored)
        server.shutdown()


def test_a_locked_build_goes_into_a_remote_cache(workspace: Workspace, locked: Package) -> None:
    with RemoteCache() as server:
        locked.declare({"app": locked.reference("app", "1.0")}, platforms=["linux/amd64"])
        succeeds(workspace.build(server.option, locked.label("images")))
        assert any(index("app").digest.encode() in data for data in server.stored.values())
        server.shutdown()


def test_credentials_come_from_what_is_passed_explicitly_and_from_nowhere_else(
    workspace: Workspace, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_distribution(tmp_path) as address:
        push(address, "team/app", "1", single("private"))
    with serve_distribution(tmp_path, htpasswd(tmp_path)) as address:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = tmp_path / "docker"
        config.mkdir()
        (config / "config.json").write_text(json.dumps({"auths": {address: {"auth": login}}}), encoding="utf-8")
        package.declare({"app": f"{address}/team/app:1"}, lockfile=None)
        monkeypatch.setenv("DOCKER_CONFIG", str(config))
        # Tests may not look at the home of who runs them; Bazel's server does not hand on either in any case.
        failed = fails(workspace.build(package.label("images.app")), 1, f"{address}/team/app:1", "401")
        assert login not in failed.output
        done = succeeds(workspace.build("--action_env=DOCKER_CONFIG", package.label("images.app")))
        assert digest(workspace, package) == single("private").digest
        assert PASSWORD not in done.output


def test_the_action_says_what_it_needs(workspace: Workspace, package: Package, registry: str) -> None:
    declared = {"app": f"{registry}/team/app:1.0"}
    package.declare(declared, lockfile=None)
    query = ["aquery", f"mnemonic(ImageLock, {package.label('all')})"]
    unlocked = succeeds(workspace.bazel(*query)).output
    assert unlocked.count("Mnemonic: ImageLock") == 1
    assert "ExecutionInfo: {no-cache: 1, no-remote: 1, requires-network: 1}" in unlocked
    succeeds(workspace.build("--sandbox_default_allow_network=false", package.label("images.app")))
    package.declare(declared)
    assert "requires-network" not in succeeds(workspace.bazel(*query)).output


def test_options_come_from_the_build_setting_and_from_the_attribute(
    workspace: Workspace, package: Package, registry: str
) -> None:
    declared = {"app": f"{registry}/team/app:1.0"}
    package.declare(declared, lockfile=None, registry_options=["--retries=none"])
    fails(workspace.build(package.label("images")), 1, '"none" is not a whole number')
    package.declare(declared, lockfile=None)
    fails(workspace.build(f"{OPTIONS}=--retries=never", package.label("images")), 1, '"never" is not a whole number')
    package.declare(declared, registry_options=["--retries=2"])
    failed = fails(workspace.bazel("run", f"{OPTIONS}=--timeout=0", package.label("images.update")), 2, '"0" is not')
    assert "--timeout" in failed.output
    succeeds(workspace.bazel("run", f"{OPTIONS}=--timeout=9", package.label("images.update")))
    succeeds(workspace.build(f"{OPTIONS}=--timeout=0", package.label("images")))  # a locked build talks to nobody
