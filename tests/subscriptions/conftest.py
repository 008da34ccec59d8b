"""Fixtures of these tests."""

from tests.app.stores import store, watched

__all__ = ["store", "watched"]
