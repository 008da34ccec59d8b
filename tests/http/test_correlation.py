import logging
from pathlib import Path

import httpx
import pytest

from everfold.codec.metadata import current_metadata, metadata
from everfold.http.api import HttpApi
from everfold.log.selection import EVERYTHING
from tests.http.guarded import asking, guarded, tokens_of

HEADER = "x-correlation-id"
ANN = {"account_id": "a1", "owner": "Ann"}


async def recorded(api: HttpApi) -> list[str | None]:
    records = await api.app.store.engine.read(EVERYTHING, after=0, limit=100)
    return [record.metadata.correlation_id for record in records]


async def test_the_callers_id_is_recorded_and_told(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    response = await client.post("/accounts", json=ANN, headers={HEADER: "order-7"})
    assert response.headers[HEADER] == "order-7"
    assert await recorded(bank_api) == ["order-7"]


async def test_without_one_every_request_gets_one(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    response = await client.post("/accounts", json=ANN)
    assert await recorded(bank_api) == [response.headers[HEADER]]
    others = [(await client.get(path)).headers[HEADER] for path in ("/livez", "/accounts/a1", "/accounts/nobody")]
    assert len({*others, response.headers[HEADER]}) == 4


async def test_where_there_is_nothing_the_answer_has_it_too(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "everfold.access")
    response = await client.get("/very-private", headers={HEADER: "c-1"})
    assert (response.status_code, response.headers[HEADER]) == (404, "c-1")
    assert (await client.delete("/livez", headers={HEADER: "c-2"})).headers[HEADER] == "c-2"
    lines = [record for record in caplog.records if record.name == "everfold.access"]
    assert [(vars(line)["operation"], vars(line)["status"]) for line in lines] == [("none", 404), ("none", 405)]
    assert "very-private" not in str([vars(line) for line in lines])


async def test_what_a_host_has_said_about_the_request_stays(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    with metadata(tenant="north", correlation_id="of the host"):
        await client.post("/accounts", json=ANN)
        await client.post("/accounts", json=ANN | {"account_id": "a2"}, headers={HEADER: "c-1"})
        assert current_metadata().correlation_id == "of the host"
    assert await recorded(bank_api) == ["of the host", "c-1"]
    records = await bank_api.app.store.engine.read(EVERYTHING, after=0, limit=100)
    assert {record.metadata.tenant for record in records} == {"north"}


@pytest.mark.parametrize("given", [b"x" * 201, b"tab\there", b""])
async def test_one_that_cannot_be_is_not_repeated(client: httpx.AsyncClient, given: bytes) -> None:
    answered = (await client.get("/livez", headers={HEADER.encode(): given})).headers.get_list(HEADER)
    assert len(answered) == 1
    assert answered[0].encode() != given


async def test_a_command_with_one_that_cannot_be_is_refused(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    response = await client.post("/accounts", json=ANN, headers={HEADER: "x" * 201})
    assert response.status_code == 400
    assert await recorded(bank_api) == []


async def test_letters_of_other_languages_come_back_as_they_came(client: httpx.AsyncClient) -> None:
    given = "bestellung-ö".encode("latin-1")
    response = await client.get("/livez", headers={HEADER.encode(): given})
    assert (HEADER.encode(), given) in [(name.lower(), value) for name, value in response.headers.raw]


async def test_every_request_is_logged_with_who_asked_and_no_secret(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "everfold")
    async with guarded(folder) as api:
        secret = await tokens_of(api).create("ann", ["operator"])
        caplog.clear()
        async with asking(api, secret) as client:
            response = await client.post("/accounts", json=ANN | {"owner": "very private"}, headers={HEADER: "c-1"})
            assert response.status_code == 201
            await client.get("/accounts/a1?password=hunter2")
    lines = [record for record in caplog.records if record.name == "everfold.access"]
    facts = vars(lines[0])
    assert lines[0].getMessage().startswith("POST post-open-account 201 ")
    assert (facts["method"], facts["operation"], facts["status"]) == ("POST", "post-open-account", 201)
    assert (facts["principal"], facts["correlation_id"]) == ("token:ann", "c-1")
    assert facts["milliseconds"] > 0
    (message,) = [record for record in caplog.records if getattr(record, "message_name", "") == "open-account"]
    assert vars(message)["correlation_id"] == "c-1", "the line of the command has its id, and belongs to the same"
    assert vars(message)["message_id"]
    told = " ".join(str(vars(record)) for record in caplog.records)
    assert not [word for word in (secret, "very private", "hunter2") if word in told]


async def test_what_fails_in_the_service_is_a_warning(
    bank_api: HttpApi, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "everfold.access")

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("very private")

    monkeypatch.setattr(bank_api.app, "execute", broken)
    assert (await client.post("/accounts", json=ANN)).status_code == 500
    assert (await client.get("/accounts/a1")).status_code == 404
    (line,) = [record for record in caplog.records if record.name == "everfold.access"]
    assert line.levelno == logging.WARNING
    assert vars(line)["status"] == 500
