"""Loads everfold's own pytest plugin once coverage measures, so that its imports are counted."""

pytest_plugins = ["everfold.testing.pytest_plugin"]
