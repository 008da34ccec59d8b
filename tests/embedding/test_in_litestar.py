"""The API in Litestar, which hides prefix and path from what is mounted in it."""

from pathlib import Path

import pytest

from everfold.contrib.litestar import EverfoldPlugin
from everfold.errors import DefinitionError
from everfold.http.api import HttpApi
from tests.embedding.hosted import check_recipe, served
from tests.http.bank import bank


def test_the_recipe(folder: Path) -> None:
    from litestar import Litestar, get
    from litestar.params import FromPath

    @get("/essential/{item:str}", sync_to_thread=False)
    def essential(item: FromPath[str]) -> str:
        return item

    api = HttpApi(bank(str(folder / "bank.db")))
    with served(Litestar([essential], plugins=[EverfoldPlugin(api, path="/es")], logging_config=None)) as client:
        check_recipe(client, "/es")
        assert client.get("/es/livez").status_code == 200
        assert client.get("/es/livez/").status_code == 404, "as it is without a host"
        assert client.get("/es").json()["code"] == "unknown-route"
        assert client.get("/essential/thing").json()["code"] == "unknown-route", "Litestar believes it to be ours"


def test_behind_a_proxy_with_a_prefix(folder: Path) -> None:
    from litestar import Litestar

    api = HttpApi(bank(str(folder / "bank.db")))
    with served(Litestar(plugins=[EverfoldPlugin(api)], logging_config=None), root_path="/outer") as client:
        opened = client.post("/es/accounts", json={"account_id": "a1", "owner": "Ann"})
        assert opened.headers["location"] == "/outer/es/accounts/a1"


@pytest.mark.parametrize("path", ["es", "/es/", ""])
def test_a_path_has_to_look_like_one(path: str) -> None:
    with pytest.raises(DefinitionError, match="begin with /"):
        EverfoldPlugin(HttpApi(bank("bank.db")), path=path)
