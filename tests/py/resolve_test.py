"""The command line of ``resolve`` and ``tag`` on a registry: options, output for people and for machines."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
import registry_client
from faults import Reply, serving
from registry_client.__main__ import main
from registry_client.client import Client
from registry_client.descriptor import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest_of
from registry_client.layout import LayoutStore
from registry_client.operations.stores import AnyStore

if TYPE_CHECKING:
    from pathlib import Path

    from registry_client.store import ManifestStore

DONE, FAILED, USAGE = range(3)
CONFIG = b'{"os": "linux", "architecture": "arm64"}'
MANIFEST = json.dumps(
    {"schemaVersion": 2, "config": {"mediaType": OCI_CONFIG, "digest": digest_of(CONFIG), "size": len(CONFIG)}}
).encode()
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": OCI_MANIFEST,
                "digest": digest_of(MANIFEST),
                "size": len(MANIFEST),
                "platform": {"os": "linux", "architecture": "arm64"},
            }
        ],
    }
).encode()
UNKNOWN = Reply(404, {}, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}')
QUICK = ("--retries", "0", "--timeout", "5")


def manifest(data: bytes, media_type: str = OCI_MANIFEST) -> Reply:
    return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest_of(data)}, data)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's home."""
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_pins_come_in_the_order_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(manifest(MANIFEST)) as registry:
        assert main(["resolve", f"{registry.address}/b:1", f"{registry.address}/a:1", *QUICK]) == DONE
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"{registry.address}/{name}@{digest_of(MANIFEST)}" for name in "ba"]
    assert err == ""


def test_one_that_fails_is_reported_and_the_others_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(manifest(MANIFEST), UNKNOWN) as registry:
        arguments = [f"{registry.address}/a:1", f"{registry.address}/a:2", *QUICK, "--concurrency", "1"]
        assert main(["resolve", *arguments]) == FAILED
    out, err = capsys.readouterr()
    assert out == f"{registry.address}/a@{digest_of(MANIFEST)}\n"
    assert err.startswith(f"error: {registry.address}/a:2: HTTP 404")
    assert err.endswith("; check the name and the tag\n")


def test_json_says_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(manifest(MANIFEST), Reply(500)) as registry:
        arguments = [f"{registry.address}/a/b:1", f"{registry.address}/a:2", "127.0.0.1:1/x@" + digest_of(b""), *QUICK]
        assert main(["resolve", "--json", "--concurrency", "1", *arguments]) == FAILED
    first, second, third = json.loads(capsys.readouterr().out)
    assert first == {
        "reference": f"{registry.address}/a/b:1",
        "registry": registry.address,
        "repository": "a/b",
        "tag": "1",
        "digest": digest_of(MANIFEST),
        "mediaType": OCI_MANIFEST,
        "size": len(MANIFEST),
    }
    assert second["reference"] == f"{registry.address}/a:2"
    assert second["error"]["code"] == "HTTP_500"
    assert third["error"]["code"] == "REGISTRY_UNREACHABLE"


def test_the_code_in_json_is_the_registrys_own(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Reply(405), UNKNOWN) as registry:
        assert main(["resolve", "--json", f"{registry.address}/a:1", *QUICK]) == FAILED
    (failed,) = json.loads(capsys.readouterr().out)
    assert failed["error"]["code"] == "MANIFEST_UNKNOWN"
    assert failed["error"]["message"].startswith("HTTP 404 - MANIFEST_UNKNOWN: manifest unknown (GET http://")


def test_a_platform_is_picked_below_the_index(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(manifest(INDEX, OCI_INDEX)) as registry:
        arguments = ["resolve", "--platform", "linux/arm64/v8", f"{registry.address}/a:1", *QUICK]
        assert main(arguments) == DONE
        assert registry.seen == ["GET /v2/a/manifests/1"]
    assert capsys.readouterr().out == f"{registry.address}/a@{digest_of(MANIFEST)}\n"


def test_an_image_for_another_platform_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(manifest(MANIFEST), Reply(200, {}, CONFIG)) as registry:
        assert main(["resolve", "--platform", "linux/amd64", f"{registry.address}/a:1", *QUICK]) == FAILED
    assert "it is an image for linux/arm64 only" in capsys.readouterr().err


def test_who_is_not_let_in_learns_how_to_log_in(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Reply(403)) as registry:
        assert main(["resolve", f"{registry.address}/a:1", *QUICK]) == FAILED
    assert "log in with docker login" in capsys.readouterr().err


def test_a_credential_helper_that_fails_is_a_warning_and_public_images_are_to_be_had(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text('{"credsStore": "none-such"}')
    with serving(Reply(200, {}, b'{"token": "t"}')) as tokens:
        challenge = Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/"'})
        with serving(challenge, manifest(MANIFEST)) as registry:
            assert main(["resolve", f"{registry.address}/a:1", *QUICK]) == DONE
    err = capsys.readouterr().err
    assert err == (
        "warning: the credential helper docker-credential-none-such cannot be run: No such file or directory; "
        "put it on PATH, or take it out of use\n"
    )


def test_tag_sets_tags(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(manifest(MANIFEST), Reply(404), Reply(200), Reply(201)) as registry:
        assert main(["tag", f"{registry.address}/a:1", "prod", *QUICK]) == DONE
        manifests = "/v2/a/manifests"
        assert registry.seen == [f"GET {manifests}/1", f"HEAD {manifests}/prod", f"PUT {manifests}/prod"]
    row = [f"{registry.address}/a:prod", "-", "→", digest_of(MANIFEST), "tagged"]
    assert capsys.readouterr().out.split() == row


def test_a_mirror_is_asked_for_content() -> None:
    reply = manifest(INDEX, OCI_INDEX)
    with serving(reply) as mirror, serving(reply) as registry:
        mirrored = ["--mirror", f"{registry.address}={mirror.address}"]
        assert main(["resolve", "--platform", "linux/arm64", f"{registry.address}/a:1", *mirrored, *QUICK]) == DONE
    assert registry.seen == ["HEAD /v2/a/manifests/1"]
    assert mirror.seen == [f"GET /v2/a/manifests/{digest_of(INDEX)}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--timeout", "0"], '--timeout: "0" is not a number above 0'),
        (["--timeout", "soon"], '"soon" is not a number above 0'),
        (["--max-requests-per-second", "inf"], '"inf" is not a number above 0'),
        (["--concurrency", "0"], '"0" is not a number from 1 on'),
        (["--retries", "-1"], '"-1" is not a whole number'),
        (["--mirror", "https://a=b"], '"https://a=b" is not REGISTRY=HOST'),
        (["--mirror", "a"], '"a" is not REGISTRY=HOST'),
        (["--ca-file", "none.pem"], '--ca-file: there is no file "none.pem"'),
        (["--docker-config", "none"], '--docker-config: there is no file "none"'),
        (["--client-key", __file__], "is of no use without --client-cert"),
        (["--platform", "linux"], '"linux" is not a platform'),
        (["--nonsense"], "unrecognized arguments: --nonsense; see registry"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["resolve", "127.0.0.1:1/a:1", *arguments]) == USAGE
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert err.startswith("error: ")


def test_certificates_are_taken_from_where_they_are_said_to_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "x.pem").write_text("no certificate")
    pem = str(home / "x.pem")
    with serving(manifest(MANIFEST)) as registry:
        arguments = ["resolve", f"{registry.address}/a:1", "--ca-file", pem, "--client-cert", pem, *QUICK]
        assert main([*arguments, "--client-key", pem]) == DONE
        assert main(arguments) == DONE
    assert main(["resolve", "nosuch.invalid/a:1", "--ca-file", pem, *QUICK]) == FAILED
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "nosuch.invalid" in err


def test_progress_is_shown_on_a_terminal_and_nowhere_else() -> None:
    def slowly(_: str) -> Reply:
        time.sleep(0.4)
        return manifest(MANIFEST)

    with serving(slowly) as registry:
        references = [f"{registry.address}/a:{tag}" for tag in range(4)]
        shown = [_run_on_terminal(["resolve", *references, "--concurrency", "1"]), _run_in_pipe(references)]
    assert "4" in shown[0]
    assert "images" in shown[0]
    assert shown[1] == ""


def test_nothing_is_imported_that_a_run_does_not_need() -> None:
    with serving(manifest(MANIFEST)) as registry:
        program = (
            "import sys; from registry_client.__main__ import main; "
            f"main(['resolve', '{registry.address}/a:1']); "
            "print([name for name in ('google.auth', 'tqdm', 'http.server', 'asyncio') if name in sys.modules])"
        )
        assert _python("-c", program).stdout.splitlines()[-1] == "[]"


def test_a_layout_is_read_without_an_http_library(home: Path) -> None:
    program = (
        "import sys; from registry_client.__main__ import main; "
        f"main(['resolve', 'oci-layout:{home}/none:1']); "
        "print([name for name in ('requests', 'urllib3', 'ssl') if name in sys.modules])"
    )
    assert _python("-c", program).stdout == "[]\n"


def test_all_stores_have_one_interface(tmp_path: Path) -> None:
    layouts = LayoutStore(tmp_path)
    stores: list[ManifestStore] = [layouts, Client(), AnyStore(layouts, Client)]
    methods = [name for name in vars(_interface()) if not name.startswith("_")]
    assert len(methods) == 5
    assert all(hasattr(store, method) for store in stores for method in methods)


def _interface() -> type:
    from registry_client.store import ManifestStore  # noqa: PLC0415 - elsewhere it is for types only

    return ManifestStore


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, registry_client.__path__), *sys.path])}


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=_environment(), capture_output=True, text=True, check=True, timeout=60
    )


def _run_in_pipe(references: list[str]) -> str:
    return _python("-m", "registry_client", "resolve", *references).stderr


def _run_on_terminal(arguments: list[str]) -> str:
    """What is written to a terminal."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "registry_client", *arguments]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL, stderr=end) as process:
        os.close(end)
        written = b""
        try:
            while data := os.read(terminal, 4096):
                written += data
        except OSError:
            pass  # the other end is closed
        assert process.wait(60) == DONE
    os.close(terminal)
    return written.decode()
