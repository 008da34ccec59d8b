"""What a test does without a program that it needs: it is skipped, or fails where the program is required."""

import os
from typing import NoReturn

import pytest


def missing(engine: str, problem: str) -> NoReturn:
    """Skip the test, or fail it where ``REQUIRE_ENGINES`` names the engine; CI sets it.

    It names engines, as ``postgres,pgbouncer``; ``1`` requires them all.
    """
    required = os.environ.get("REQUIRE_ENGINES", "").split(",")
    if engine in required or "1" in required:
        pytest.fail(problem)
    pytest.skip(problem)
