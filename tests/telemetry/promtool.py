"""Prometheus' own tool, which checks rules and metrics: in Debian's package ``prometheus``."""

import shutil
import subprocess

from tests.required_engines import missing


def promtool(*arguments: str, text: str = "") -> str:
    """Run it, and fail the test when it finds something wrong; what it says.

    Where it is not installed the test is skipped; where it is required (``REQUIRE_ENGINES``, set by CI), it fails.
    """
    program = shutil.which("promtool")
    if program is None:
        missing("promtool", "promtool is not installed: apt-get install --no-install-recommends prometheus")
    ran = subprocess.run([program, *arguments], input=text, check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
