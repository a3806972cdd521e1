"""A promotion that is killed, or whose lines drop: what is seen is whole, and what was begun is finished."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import requests
from integration.cutting_relay import cutting
from integration.images import (
    OCI_INDEX,
    OCI_MANIFEST,
    cosign_signature,
    cosign_tag,
    digest_of,
    large,
    push,
    served_digest,
    write_layout,
)
from integration.promotions import AccessLog, attach_by_oras, crane, pull_by_crane, referrers_by_oras
from integration.servers import serve_crane, serve_distribution
from integration.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 20
LAYERS, LAYER_SIZE = 4, 8 * 1024 * 1024


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Tool(workspace)


class Watcher:
    """Looks at a tag all the time, and at all that it should lead to."""

    def __init__(self, registry: str, repository: str, tag: str) -> None:
        """Look at nothing yet."""
        self.seen = 0
        self.incomplete: list[str] = []
        self._base = f"http://{registry}/v2/{repository}"
        self._tag = tag
        self._stop = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look for the time of a block, and until the tag was seen once."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
            end = time.monotonic() + 5
            while not self.seen and time.monotonic() < end:
                time.sleep(0.01)
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        with requests.Session() as session:
            session.headers["Accept"] = f"{OCI_INDEX}, {OCI_MANIFEST}"
            while not self._stop.is_set():
                answer = session.get(f"{self._base}/manifests/{self._tag}", timeout=20)
                if answer.ok:
                    self.seen += 1
                    self._look(session, answer)
                time.sleep(0.01)

    def _look(self, session: requests.Session, answer: requests.Response) -> None:
        for child in answer.json()["manifests"]:
            found = session.get(f"{self._base}/manifests/{child['digest']}", timeout=20)
            parts = [found.json()["config"], *found.json()["layers"]] if found.ok else []
            blobs = [session.head(f"{self._base}/blobs/{part['digest']}", timeout=20) for part in parts]
            self.incomplete += [each.url for each in (found, *blobs) if not each.ok]


def test_killed_at_any_moment_the_next_run_finishes_the_job(tool: Tool, tmp_path: Path) -> None:
    chance = random.Random(20261125)  # noqa: S311 - any moments will do
    folders = [tmp_path / name for name in ("source", "destination")]
    for folder in folders:
        folder.mkdir()
    with serve_distribution(folders[0]) as source, serve_distribution(folders[1]) as destination:
        times: list[float] = []
        killed = 0
        for number in range(KILLS):
            image = large(f"image {number}", LAYERS, LAYER_SIZE)
            home, place = f"{source}/team/app{number}", f"{destination}/prod/app{number}"
            push(source, f"team/app{number}", "1", image)
            push(source, f"team/app{number}", cosign_tag(image.digest), cosign_signature(image, "one"))
            attach_by_oras(f"{home}@{image.digest}", "application/spdx+json", "SBOM", tmp_path)
            plan = tool.plan(f"{home}@{image.digest}", "prod", repositories=[place])
            watcher = Watcher(destination, f"prod/app{number}", "prod")
            with watcher.watching():
                longest = max(times, default=1.5)
                killed += kill_after(tool, plan, chance.uniform(0.1, longest))
                start = time.monotonic()
                result = tool.promote(plan)
                times.append(time.monotonic() - start)
            assert result.code == 0, result.stderr
            assert watcher.seen
            assert watcher.incomplete == []
            assert crane("digest", f"{place}:prod") == crane("digest", f"{home}:1")
            pull_by_crane(f"{place}:prod", tmp_path / f"pulled{number}")
            assert len(referrers_by_oras(f"{place}:prod")) == 1
            assert crane("digest", f"{place}:{cosign_tag(image.digest)}")
        assert killed >= KILLS // 2


def kill_after(tool: Tool, plan: Path, seconds: float) -> bool:
    """Start a promotion, and kill it and all that it has started; returns whether it was still running."""
    process = tool.start("promote", "--plan", str(plan))
    time.sleep(seconds)
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running


@pytest.mark.parametrize("end", ["source", "destination"])
def test_after_a_dropped_line_a_blob_is_gone_on_with_where_it_was(tool: Tool, tmp_path: Path, end: str) -> None:
    folders = [tmp_path / name for name in ("source", "destination")]
    for folder in folders:
        folder.mkdir()
    image = large("app", layers=1, size=LAYER_SIZE)
    with (
        serve_distribution(folders[0], access_log=True) as source,
        serve_distribution(folders[1], access_log=True) as destination,
        cutting(source if end == "source" else destination, times=2, after=LAYER_SIZE // 2) as relay,
    ):
        push(source, "team/app", "1", image)
        logs = {"source": AccessLog(folders[0]), "destination": AccessLog(folders[1])}
        through = {"source": source, "destination": destination} | {end: relay.address}
        place = f"{through['destination']}/prod/app:1"
        result = tool.run("copy", f"{through['source']}/team/app:1", place, "--json")
        assert result.code == 0, result.stderr
        assert relay.cut == 2
        pull_by_crane(f"{destination}/prod/app:1", tmp_path / "pulled")
        moved = json.loads(result.stdout)["bytesMoved"]
        # each time half of a blob had arrived: going on costs less than sending all of both once more
        assert moved < 2 * 2 * LAYER_SIZE * 0.9
        asked = [method for method, path in logs[end].requests() if "/blobs/" in path and "HEAD" not in method]
        assert asked.count("GET") >= (4 if end == "source" else 1)


def test_wrong_bytes_at_the_source_never_become_a_blob(tool: Tool, tmp_path: Path) -> None:
    image = large("app", layers=1, size=1024 * 1024)
    store = tmp_path / "workspace/shelf"
    write_layout(store, {"1": image})
    layer = image.children[0].blobs[1]
    (store / "blobs/sha256" / digest_of(layer).removeprefix("sha256:")).write_bytes(layer[:-1] + b"!")
    with serve_crane(tmp_path) as registry:
        result = tool.run("copy", "oci-layout:shelf:1", f"{registry}/prod/app:1")
        assert result.code == 1
        assert digest_of(layer) in result.complaints[0]
        assert "no tag was set" in result.complaints[-1]
        answer = requests.get(f"http://{registry}/v2/prod/app/blobs/{digest_of(layer)}", timeout=20)
        assert answer.status_code == requests.codes.not_found
        assert served_digest(registry, "prod/app", "1") is None


def test_a_run_that_somebody_interrupts_waits_for_no_registry(tool: Tool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = tool.start("resolve", f"{address}/a:1", f"{address}/b:1", "--timeout=600", "--retries=0")
        silent.accept()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "error: interrupted; nothing is half written, and the same command goes on with it\n"
