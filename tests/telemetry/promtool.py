"""Prometheus' own tool, which checks rules and metrics: in Debian's package ``prometheus``."""

import os
import shutil
import subprocess

import pytest


def promtool(*arguments: str, text: str = "") -> str:
    """Run it, and fail the test when it finds something wrong; what it says.

    Where it is not installed the test is skipped; where it is required (``REQUIRE_ENGINES``, set by CI), it fails.
    """
    program = shutil.which("promtool")
    if program is None:
        problem = "promtool is not installed: apt-get install --no-install-recommends prometheus"
        if os.environ.get("REQUIRE_ENGINES"):
            pytest.fail(problem)
        pytest.skip(problem)
    ran = subprocess.run([program, *arguments], input=text, check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
