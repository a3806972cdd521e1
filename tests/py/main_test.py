"""The command line on layouts: exit codes, what is printed, and that a failure leaves everything as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import registry_client
from registry_client.__main__ import main
from registry_client.layout import LayoutStore
from registry_client.manifest import OCI_INDEX, OCI_MANIFEST, Image, digest_of

if TYPE_CHECKING:
    from pathlib import Path

DONE, FAILED, USAGE, OUT_OF_DATE = range(4)
APP = "oci-layout:app"


def image(content: str) -> Image:
    """A small image."""
    return encoded(OCI_MANIFEST, {"config": {}, "annotations": {"content": content}})


def index(content: str) -> Image:
    """An index of one platform, and of one attestation."""
    child = {"mediaType": OCI_MANIFEST, "digest": image(content).digest, "size": 1}
    platforms = [
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "unknown", "architecture": "unknown"},
    ]
    return encoded(OCI_INDEX, {"manifests": [child | {"platform": platform} for platform in platforms]})


def encoded(media_type: str, content: dict[str, object]) -> Image:
    """An image of the layout."""
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}).encode()
    return Image(
        registry="oci-layout", repository="app", digest=digest_of(data), media_type=media_type, raw_manifest=data
    )


class Workspace:
    """A source tree with a layout and a lock request."""

    def __init__(self, root: Path) -> None:
        """Make it."""
        self.root = root
        self.lock = root / "images.lock.json"
        self.store = LayoutStore(root)
        self.store.put_image(f"{APP}:1", image("1"))
        self.store.put_image(f"{APP}:2", index("2"))
        self.declare({"one": f"{APP}:1", "two": f"{APP}:2"})

    def declare(self, images: dict[str, str], lockfile: str = "images.lock.json") -> None:
        """Write what the rule writes."""
        request = {"images": images, "lockfile": lockfile, "target": "//:images"}
        (self.root / "request.json").write_text(json.dumps(request))

    def update(self, *names: str) -> int:
        """Do what ``bazel run //:images.update`` does."""
        return main(["lock", "update", "--request", "request.json", *names])

    def verify(self) -> int:
        """Do what ``bazel test //:images_test`` does."""
        return main(["lock", "verify", "--request", "request.json", *self._lockfile()])

    def pins(self) -> int:
        """Do what ``bazel build //:images`` does."""
        files = ["--digests", "one.digest", "two.digest", "--pinned", "one.reference", "two.reference"]
        return main(["lock", "pins", "--request", "request.json", *self._lockfile(), "--output", "out.json", *files])

    def promote(self, *tags: str, options: tuple[str, ...] = ()) -> int:
        """Do what ``bazel run //:promote`` does, for the image called one."""
        (self.root / "retag.json").write_text(json.dumps({"tags": tags, "target": "//:promote"}))
        (self.root / "reference").write_text(f"{APP}@{image('1').digest}")
        made = main(["plan", "--request", "retag.json", "--image", "reference", "--output", "plan.json"])
        return made or main(["promote", "--plan", "plan.json", *options])

    def _lockfile(self) -> list[str]:
        return ["--lockfile", str(self.lock)] if self.lock.exists() else []


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def test_a_lock_is_written_and_has_the_platforms_of_an_index(workspace: Workspace) -> None:
    assert workspace.update() == DONE
    images = json.loads(workspace.lock.read_text())["images"]
    assert images["one"]["digest"] == image("1").digest
    assert "platforms" not in images["one"]
    assert images["two"]["platforms"] == {"linux/arm64/v8": image("2").digest}
    assert workspace.verify() == DONE


def test_a_second_update_writes_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.update()
    before = workspace.lock.stat()
    assert workspace.update() == DONE
    assert workspace.lock.stat() == before
    assert "nothing was written" in capsys.readouterr().err


def test_an_update_by_name_leaves_the_other_pins(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.update()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.store.put_image(f"{APP}:2", index("new"))
    capsys.readouterr()
    assert workspace.update("one") == DONE
    assert capsys.readouterr().out == f"one updated {image('1').digest} {image('new').digest}\n"
    assert json.loads(workspace.lock.read_text())["images"]["two"]["digest"] == index("2").digest


def test_a_name_that_is_not_declared_is_refused(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.update("three") == USAGE
    assert capsys.readouterr().err == "error: //:images: no image is called three; choose from: one, two\n"
    assert not workspace.lock.exists()


def test_an_image_that_is_gone_from_the_declaration_goes_from_the_lock(workspace: Workspace) -> None:
    workspace.update()
    workspace.declare({"one": f"{APP}:1"})
    assert workspace.verify() == OUT_OF_DATE
    assert workspace.update() == DONE
    assert list(json.loads(workspace.lock.read_text())["images"]) == ["one"]


def test_one_image_that_cannot_be_resolved_keeps_the_lock_as_it_was(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.update()
    before = workspace.lock.read_bytes()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.declare({"one": f"{APP}:1", "two": f"{APP}:none"})
    capsys.readouterr()
    assert workspace.update() == FAILED
    printed = capsys.readouterr()
    assert "one updated" in printed.out
    assert "two failed" in printed.out
    assert 'error: //:images: image "two" (oci-layout:app:none): ' in printed.err
    assert "bazel run //:images.update" in printed.err
    assert workspace.lock.read_bytes() == before


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        ({"a b": "redis"}, '//:images: image "a b": not a target name'),
        ({"update": "redis"}, '//:images: image "update": the name is taken'),
        ({"a": "Redis"}, '//:images: image "a": "Redis" is not an image reference'),
    ],
)
def test_a_declaration_that_is_wrong_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], images: dict[str, str], complaint: str
) -> None:
    workspace.declare(images)
    for run in (workspace.update, workspace.verify, workspace.pins):
        assert run() == USAGE
        printed = capsys.readouterr().err
        assert complaint in printed
        assert "mend it in images" in printed
    assert not workspace.lock.exists()


def test_the_pins_are_written_without_a_newline(workspace: Workspace) -> None:
    workspace.update()
    assert workspace.pins() == DONE
    assert (workspace.root / "one.digest").read_text() == image("1").digest
    assert (workspace.root / "two.reference").read_text() == f"{APP}@{index('2').digest}"
    assert (workspace.root / "out.json").read_bytes() == workspace.lock.read_bytes()


def test_as_many_files_as_images_must_be_asked_for(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.declare({"one": f"{APP}:1"})
    workspace.update()
    assert workspace.pins() == USAGE
    assert "1 images, but 2 and 2 output files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        ("", "images.lock.json is not there"),
        ("<<<<<<< ours\n", "merge conflict"),
        ('{"images": {}, "lockfileVersion": 1, "x": 1}', "x: is not a field"),
        ('{"images": {}, "lockfileVersion": 1}', 'image "one" (oci-layout:app:1) is not in images.lock.json'),
    ],
)
def test_a_lock_that_will_not_do_is_refused_with_the_command_that_mends_it(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], spoil: str, complaint: str
) -> None:
    if spoil:
        workspace.lock.write_text(spoil)
    for run in (workspace.verify, workspace.pins):
        assert run() == OUT_OF_DATE
        printed = capsys.readouterr().err
        assert printed.startswith("error: //:images: ")
        assert complaint in printed
        assert printed.endswith(". To update it, run: bazel run //:images.update\n")
    assert workspace.update() == DONE
    assert workspace.verify() == DONE


def test_a_broken_lock_is_not_updated_by_name(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.lock.write_text("{")
    assert workspace.update("one") == USAGE
    assert "run without names" in capsys.readouterr().err
    assert workspace.lock.read_text() == "{"


def test_a_reference_that_was_changed_makes_the_lock_stale(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.update()
    workspace.declare({"one": f"{APP}:2", "two": f"{APP}:2"})
    assert workspace.pins() == OUT_OF_DATE
    assert 'image "one" is declared as oci-layout:app:2, but images.lock.json has oci-layout:app:1' in (
        capsys.readouterr().err
    )


def test_a_pin_of_what_its_layout_does_not_list_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.update()
    digest = image("1").digest
    edited = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    workspace.lock.write_text(workspace.lock.read_text().replace(digest, edited))
    assert workspace.verify() == OUT_OF_DATE
    assert f'image "one" of images.lock.json is pinned to {edited}' in capsys.readouterr().err


def test_a_target_without_a_lock_file_has_none_to_update(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.declare({"one": f"{APP}:1", "two": f"{APP}:2"}, lockfile="")
    assert workspace.update() == USAGE
    assert "add lockfile" in capsys.readouterr().err
    assert workspace.pins() == DONE
    assert (workspace.root / "one.digest").read_text() == image("1").digest


def test_build_time_resolving_names_what_it_cannot_resolve(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.declare({"one": f"{APP}:none"}, lockfile="")
    assert workspace.pins() == FAILED
    assert 'image "one" (oci-layout:app:none)' in capsys.readouterr().err


def test_a_promotion_sets_its_tags_once(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.promote("prod", "2") == DONE
    assert workspace.store.resolve(f"{APP}:prod").digest == image("1").digest
    assert workspace.store.resolve(f"{APP}:2").digest == image("1").digest
    assert capsys.readouterr().out == f"{APP}:prod {image('1').digest} tagged\n{APP}:2 {image('1').digest} tagged\n"
    assert workspace.promote("prod", "2") == DONE
    assert "nothing to do" in capsys.readouterr().err


def test_a_dry_run_only_looks(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.promote("prod", options=("--dry-run",)) == OUT_OF_DATE
    assert "1 of 1 tags would be set" in capsys.readouterr().err
    assert workspace.promote("1", options=("--dry-run",)) == DONE


def test_a_source_that_is_missing_stops_the_promotion(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = (workspace.root / "app/index.json").read_bytes()
    (workspace.root / "app/blobs/sha256" / image("1").digest.removeprefix("sha256:")).unlink()
    assert workspace.promote("prod", "other") == FAILED
    printed = capsys.readouterr().err
    assert "error: //:promote: oci-layout:app:prod: " in printed
    assert "nothing was written" in printed
    assert (workspace.root / "app/index.json").read_bytes() == before


@pytest.mark.parametrize("tags", [(), ("-",), ("a", "a")])
def test_tags_that_will_not_do_are_refused(workspace: Workspace, tags: tuple[str, ...]) -> None:
    assert workspace.promote(*tags) == USAGE
    assert not (workspace.root / "plan.json").exists()


@pytest.mark.parametrize(
    ("edge", "complaint"),
    [
        ({"source": "a:1", "destination": "a:2", "target": "t"}, r"edges\[0\].source: .* has no digest"),
        ({"source": f"a@sha256:{'0' * 64}", "destination": f"a@sha256:{'0' * 64}", "target": "t"}, "must have a tag"),
    ],
)
def test_a_plan_that_was_tampered_with_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], edge: dict[str, str], complaint: str
) -> None:
    (workspace.root / "plan.json").write_text(json.dumps({"edges": [edge], "planVersion": 1}))
    assert main(["promote", "--plan", "plan.json"]) == USAGE
    assert re.search(complaint, capsys.readouterr().err)


def test_a_plan_of_another_version_is_refused(workspace: Workspace) -> None:
    (workspace.root / "plan.json").write_text('{"edges": [], "planVersion": 2}')
    assert main(["promote", "--plan", "plan.json"]) == USAGE


def test_references_are_resolved_in_the_order_asked(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", f"{APP}:2", f"{APP}:none", f"{APP}:1"]) == FAILED
    printed = capsys.readouterr()
    assert printed.out == f"{APP}@{index('2').digest}\n{APP}@{image('1').digest}\n"
    assert "oci-layout:app:none" in printed.err
    assert workspace.root.exists()


def test_an_image_is_tagged_from_the_command_line(workspace: Workspace) -> None:
    assert main(["tag", f"{APP}:1", "prod"]) == DONE
    assert workspace.store.resolve(f"{APP}:prod").digest == image("1").digest
    assert main(["tag", f"{APP}:1", ".prod"]) == USAGE


def test_a_file_that_is_not_there_is_one_sentence(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "request.json").unlink()
    assert workspace.update() == FAILED
    assert capsys.readouterr().err == "error: request.json: No such file or directory\n"


def test_a_locked_build_loads_no_http_library(workspace: Workspace) -> None:
    workspace.update()
    code = (
        "import sys; from registry_client.__main__ import main; import registry_client\n"
        "code = main(sys.argv[1:])\n"
        "loaded = {'requests', 'urllib3', 'google'} & set(sys.modules)\n"
        "sys.exit(code or (f'loaded {loaded}' if loaded else 0))\n"
    )
    arguments = ["lock", "verify", "--request", "request.json", "--lockfile", str(workspace.lock)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment)


def test_the_facade_has_what_it_promises() -> None:
    assert all(hasattr(registry_client, name) for name in registry_client.__all__)
    assert not hasattr(registry_client, "nonsense")
