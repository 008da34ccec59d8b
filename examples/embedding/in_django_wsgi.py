# pyright: basic
"""Django under WSGI: ``gunicorn --workers 4 examples.embedding.in_django_wsgi:site``, or any other WSGI server.

A whole project in one file. In yours ``site`` stands in wsgi.py, and the rest where such things are.
"""

import json
from collections.abc import Callable

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from everfold import EverfoldError
from everfold.contrib.one_per_process import OnePerProcess
from everfold.contrib.wsgi import problem
from examples.accounts.app import GetBalance, app
from examples.accounts.domain import Deposit

settings.configure(
    SECRET_KEY="only for this example",  # noqa: S106
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[f"{__name__}.Problems"],
)
django.setup()
bank = OnePerProcess(app)  # nothing runs yet: each worker starts its own with its first request


class Problems:
    """A middleware: what the bank refuses is told as its API would tell it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, EverfoldError):
            return None
        body, status, headers = problem(error)
        return HttpResponse(body, status=status, headers=headers)


def deposit(request: HttpRequest, account_id: str) -> JsonResponse:
    done = bank().execute(Deposit(account_id=account_id, amount=json.loads(request.body)["amount"]))
    return JsonResponse({"balance": bank().ask(GetBalance(account_id=account_id), after=done)})


urlpatterns = [path("accounts/<str:account_id>/deposits", deposit)]
site = get_wsgi_application()
