"""FastAPI: ``uvicorn examples.embedding.in_fastapi:site``. The commands and queries are in ``/docs``."""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyHeader

from everfold.contrib.fastapi import fastapi_router
from everfold.http import HttpApi
from everfold.http.host_gate import HostGate
from everfold.security.principal import Principal
from examples.accounts.app import app
from examples.embedding.people import BY_KEY, who

Key = Annotated[str, Depends(APIKeyHeader(name="x-api-key"))]


def current_principal(key: Key) -> Principal:
    if key not in BY_KEY:
        raise HTTPException(401, "Nobody has this key.")
    return BY_KEY[key]


api = HttpApi(app, gate=HostGate(app, who))
router = fastapi_router(api, principal=current_principal)
site = FastAPI(title="A site with a bank", lifespan=api.lifespan)
site.include_router(router, prefix="/bank")  # commands and queries, as routes of the site
router.describe_in(site)
site.mount("/es", api)  # and all the rest: streams, events, projections


@site.get("/me")
def me(principal: Annotated[Principal, Depends(current_principal)]) -> str:
    return principal.name
