"""Litestar: ``uvicorn examples.embedding.in_litestar:site``."""

from litestar import Litestar, get

from everfold.contrib.litestar import EverfoldPlugin
from everfold.http import HttpApi
from everfold.http.host_gate import HostGate
from examples.accounts.app import app
from examples.embedding.people import who


@get("/")
async def home() -> str:
    return "The site."


api = HttpApi(app, gate=HostGate(app, who))
site = Litestar([home], plugins=[EverfoldPlugin(api, path="/es")], logging_config=None)
