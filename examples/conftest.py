"""Where the tests of the examples store: in memory and in PostgreSQL, unless it is the file that matters."""

import pytest


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """For ``App(..., store=store)``. With the plugin's ``app_store`` the tests of your own app can do the same."""
    found: str = "memory:" if request.param == "memory" else request.getfixturevalue("postgres_url")
    return found
