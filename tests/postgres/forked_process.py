"""Forks the processes of these tests, as ``tests.reliability.read_side.forked_process`` does for others."""

from tests.postgres.roles import ROLES
from tests.reliability.read_side.forked_process import main

if __name__ == "__main__":
    main(ROLES)
