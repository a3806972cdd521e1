"""The client's program in a process of its own, with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from integration.tool import Result


def run_registry(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    """Run ``python -m registry_client``, as a person does, with nothing but these environment variables."""
    return run_python("-m", "registry_client", *arguments, environment=environment)


def run_python(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    """Run Python with the modules of the test, but with nothing of its environment beside these variables."""
    modules = os.pathsep.join(path for path in sys.path if path)
    variables = {"PATH": os.defpath, "PYTHONPATH": modules, "PYTHONSAFEPATH": "1"} | (environment or {})
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Result(code=done.returncode, stdout=done.stdout, stderr=done.stderr)
