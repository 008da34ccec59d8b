# pyright: basic
"""Django under ASGI: ``uvicorn examples.embedding.in_django_asgi:site``.

A whole project in one file. In yours ``site`` stands in asgi.py, and the view where views are.
"""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from starlette.requests import Request

from everfold.contrib.django import asgi, session_user
from everfold.http import HttpApi
from everfold.http.host_gate import HostGate
from everfold.security.principal import Principal
from examples.accounts.app import GetBalance, app

settings.configure(
    SECRET_KEY="only for this example",  # noqa: S106
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}},
)
django.setup()


async def balance(_: HttpRequest, account_id: str) -> JsonResponse:
    """A view of the site's own: under ASGI it awaits the app."""
    return JsonResponse({"balance": await app.ask(GetBalance(account_id=account_id))})


async def who(request: Request) -> Principal | None:
    """Who is signed in to Django: staff may do everything, everybody else may look."""
    user = await session_user(request)
    if not user.is_authenticated:
        return None
    role = "admin" if user.is_staff else "viewer"
    return Principal(name=user.get_username(), roles=frozenset({role}))


urlpatterns = [path("balance/<str:account_id>", balance)]
api = HttpApi(app, gate=HostGate(app, who))
site = asgi(get_asgi_application(), api, path="/es")
