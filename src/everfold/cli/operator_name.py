"""Who operates from the command line: the user of this machine. For decisions and the audit."""

from __future__ import annotations

__all__ = ["operator_name"]


def operator_name() -> str:
    """The user's name; empty for one that has none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return ""
