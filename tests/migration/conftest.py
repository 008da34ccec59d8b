"""Fixtures of these tests."""

from tests.app.stores import store

__all__ = ["store"]
