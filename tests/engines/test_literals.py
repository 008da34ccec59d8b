"""Lists of texts arrive in the server as they are, whatever is in them."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfold.engines.postgres.literals import SEPARATOR, Unstorable, numbers, texts
from tests.postgres.server import PostgresServer

storable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def test_any_texts_arrive(postgres_server: PostgresServer) -> None:
    with postgres_server.connect() as connection:

        @given(st.lists(storable | st.sampled_from(["", SEPARATOR, "it's", "\\", '"', "{}", "NULL"])))
        def arrives(values: list[str]) -> None:
            row = connection.execute(f"SELECT {texts(values)}::text[]".encode()).fetchone()
            assert row == (values,)

        arrives()


def test_numbers_arrive(postgres_server: PostgresServer) -> None:
    with postgres_server.connect() as connection:
        row = connection.execute(f"SELECT {numbers([1, -1, 2**63 - 1])}::bigint[]".encode()).fetchone()
        assert row == ([1, -1, 2**63 - 1],)
        with pytest.raises(psycopg.DataError):
            connection.execute(f"SELECT {numbers([2**63])}::bigint[]".encode())


def test_the_character_nul_is_refused() -> None:
    with pytest.raises(Unstorable, match="NUL"):
        texts(["a", "b\0c"])
