"""Stores with a planted defect. The exploration has to find each of them, or it proves nothing."""

from typing import Any

from everfold.engines.sqlite.reader import STATEMENTS
from tests.reliability.power_loss.apsw_connection import ApswConnection, Values

__all__ = ["ForgetfulConnection", "HastyConnection", "SplitConnection"]


class HastyConnection(ApswConnection):
    """Has the writer acknowledge a batch before its COMMIT, which comes with the next statement only."""

    _is_owed = False

    def execute(self, sql: str, parameters: Values = ()) -> Any:
        self._pay()
        if sql == "COMMIT":
            self._is_owed = True
            return super().execute("SELECT 1")
        return super().execute(sql, parameters)

    def close(self) -> None:
        self._pay()
        super().close()

    def _pay(self) -> None:
        if self._is_owed:
            self._is_owed = False
            super().execute("COMMIT")


class SplitConnection(ApswConnection):
    """Stores a batch in several transactions."""

    def execute(self, sql: str, parameters: Values = ()) -> Any:
        cursor = super().execute(sql, parameters)
        if sql.startswith(STATEMENTS["insert_event"]):
            super().execute("COMMIT")
            super().execute("BEGIN IMMEDIATE")
        return cursor


class ForgetfulConnection(ApswConnection):
    """Stores replies behind the commit of what they belong to."""

    _owed: tuple[Values, ...] = ()

    def execute(self, sql: str, parameters: Values = ()) -> Any:
        if sql == STATEMENTS["insert_reply"]:
            self._owed = (*self._owed, parameters)
            return super().execute("SELECT 1")
        cursor = super().execute(sql, parameters)
        if sql == "COMMIT":
            owed, self._owed = self._owed, ()
            for reply in owed:
                super().execute(STATEMENTS["insert_reply"], reply)
        return cursor
