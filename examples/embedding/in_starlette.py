"""Starlette: ``uvicorn examples.embedding.in_starlette:site``."""

from starlette.applications import Starlette
from starlette.routing import Mount

from everfold.http import HttpApi
from everfold.http.host_gate import HostGate
from examples.accounts.app import app
from examples.embedding.people import who

api = HttpApi(app, gate=HostGate(app, who))
site = Starlette(routes=[Mount("/es", api)], lifespan=api.lifespan)
