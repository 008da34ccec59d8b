"""Flask: ``flask --app examples.embedding.in_flask:site run``, or any WSGI server with any number of workers."""

from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from everfold import EverfoldError, metadata
from everfold.contrib.one_per_process import OnePerProcess
from everfold.contrib.wsgi import WsgiApi, problem
from everfold.http.host_gate import HostGate
from everfold.security.principal import ANONYMOUS, acting_as
from examples.accounts.app import GetBalance, app
from examples.accounts.domain import Deposit
from examples.embedding.people import BY_KEY, who

site = Flask(__name__)
bank = OnePerProcess(app)


@site.post("/accounts/<account_id>/deposits")
def deposit(account_id: str) -> dict[str, int]:
    """A view of the site's own: it is the site that says who asks, and policies are asked about that."""
    principal = BY_KEY.get(request.headers.get("x-api-key", ""), ANONYMOUS)
    with acting_as(principal), metadata(actor=principal.name):
        done = bank().execute(Deposit(account_id=account_id, amount=request.get_json()["amount"]))
        return {"balance": bank().ask(GetBalance(account_id=account_id), after=done)}


@site.errorhandler(EverfoldError)
def refused(error: EverfoldError) -> tuple[bytes, int, dict[str, str]]:
    return problem(error)


# And the API as it is, for all commands and queries.
site.wsgi_app = DispatcherMiddleware(site.wsgi_app, {"/es": WsgiApi(bank, gate=HostGate(app, who))})  # type: ignore[method-assign]
