"""JSON Web Tokens: only what the issuer signed, for us, with an agreed key and algorithm, and in its time."""

import base64
import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from everfold.app.settings import Settings
from everfold.errors import ConfigurationError, NotAuthenticated
from everfold.security.jwt import JwtVerifier, jwt_verifier

NOW = 2_000_000_000
RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, auto_kid=False)
EC = ECKey.generate_key("P-256", {"kid": "ec"}, auto_kid=False)
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"}, auto_kid=False)
OTHER = RSAKey.generate_key(2048, {"kid": "rsa"}, auto_kid=False)
CLAIMS: dict[str, Any] = {"iss": "https://idp", "aud": "bank", "sub": "ann", "exp": NOW + 60, "roles": ["viewer"]}


def jwks(*keys: Any, private: bool = False) -> str:
    return json.dumps({"keys": [key.as_dict(private=private) for key in keys]})


KEYS = jwks(RSA, EC, ED)


def verifier(keys: str = KEYS, **options: Any) -> JwtVerifier:
    given_options: dict[str, Any] = {
        "issuer": "https://idp",
        "audience": "bank",
        "micros": lambda: NOW * 1_000_000,
    } | options
    return JwtVerifier(keys, **given_options)


def signed(key: Any = RSA, alg: str = "RS256", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    head = {"alg": alg, "kid": key.kid, **(header or {})}
    return jwt.encode(head, {**CLAIMS, **claims}, key, algorithms=[alg])


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def refused(token: str, **options: Any) -> str:
    with pytest.raises(NotAuthenticated) as found:
        verifier(**options).verify(token)
    assert len(token) < 20 or token not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "PS512"), (EC, "ES256"), (ED, "Ed25519"), (ED, "EdDSA")]
)
@pytest.mark.filterwarnings("ignore:EdDSA")
def test_what_the_issuer_signed(key: Any, alg: str) -> None:
    found = verifier().verify(signed(key, alg, tenant="north"))
    principal = found.principal
    assert (principal.name, principal.roles, principal.tenant) == ("ann", frozenset({"viewer"}), "north")
    assert principal.is_known and not principal.is_ambient and not principal.is_trusted
    assert principal.claims["iss"] == "https://idp"
    assert found.expires == (NOW + 60 + 30) * 1_000_000


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_unsigned(alg: str, signature: str) -> None:
    refused(f"{encoded({'alg': alg, 'kid': 'rsa'})}.{encoded(CLAIMS)}.{signature}")
    refused(f"{encoded({'alg': alg})}.{encoded(CLAIMS)}.{signature}")


def test_the_public_key_taken_for_a_shared_secret() -> None:
    """The classic confusion: HS256 with the text of the RSA key, which everybody has."""
    for text in (RSA.as_pem(private=False), json.dumps(RSA.as_dict(private=False)).encode(), KEYS.encode()):
        for head in ({"alg": "HS256", "kid": "rsa"}, {"alg": "HS256"}):
            signed_part = f"{encoded(head)}.{encoded(CLAIMS)}"
            refused(f"{signed_part}.{_b64(hmac.digest(text, signed_part.encode(), 'sha256'))}")


def _b64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_an_algorithm_of_another_key() -> None:
    refused(f"{encoded({'alg': 'ES256', 'kid': 'rsa'})}.{signed().split('.', 1)[1]}")
    refused(signed(EC, "ES256", header={"kid": "rsa"}))


def test_an_algorithm_that_the_key_is_not_for() -> None:
    keys = json.dumps({"keys": [RSA.as_dict(private=False) | {"alg": "RS512"}]})
    refused(signed(), keys=keys)
    assert verifier(keys).verify(signed(alg="RS512")).principal.name


def test_keys_that_a_token_brings_along() -> None:
    """Neither a key nor an address in a token is looked at."""
    refused(signed(OTHER))
    refused(signed(OTHER, header={"jwk": OTHER.as_dict(private=False)}))
    refused(signed(OTHER, header={"jku": "http://169.254.169.254/keys"}))
    refused(signed(OTHER, header={"x5u": "https://evil.example/key.pem"}))
    refused(signed(header={"kid": "../../keys"}))


def test_what_a_token_says_must_be_understood_and_is_not() -> None:
    def sign(head: dict[str, Any]) -> str:
        part = f"{encoded(head)}.{encoded(CLAIMS)}"
        assert RSA.private_key is not None
        return f"{part}.{_b64(RSA.private_key.sign(part.encode(), PKCS1v15(), SHA256()))}"

    assert verifier().verify(sign({"alg": "RS256", "kid": "rsa"})).principal.name
    refused(sign({"alg": "RS256", "kid": "rsa", "crit": ["exp"], "exp": 1}))
    refused(sign({"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": False}))


def test_a_key_for_encryption_signs_nothing() -> None:
    keys = json.dumps({"keys": [RSA.as_dict(private=False) | {"use": "enc"}, EC.as_dict(private=False)]})
    refused(signed(), keys=keys)


def test_one_key_needs_no_name_and_several_do() -> None:
    token = jwt.encode({"alg": "RS256"}, CLAIMS, RSA, algorithms=["RS256"])
    assert verifier().verify(token).principal.name == "ann"
    second = RSAKey.generate_key(2048, {"kid": "second"}, auto_kid=False)
    assert "which key" in refused(token, keys=jwks(RSA, second))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other"},
        {"iss": None},
        {"aud": "shop"},
        {"aud": ["shop"]},
        {"aud": None},
        {"aud": 7},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "token:backup"},
        {"sub": "session:ann"},
        {"sub": "local"},
        {"sub": "anonymous"},
        {"sub": "anybody"},
        {"sub": "a\nb"},
        {"sub": "x" * 201},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": NOW - 31},
        {"nbf": NOW + 31},
        {"iat": NOW + 31},
        {"nbf": "x"},
    ],
    ids=str,
)
def test_claims_that_are_not_for_us(claims: dict[str, Any]) -> None:
    refused(signed(**claims))


@pytest.mark.parametrize("claims", [{"exp": NOW - 29}, {"nbf": NOW + 29}, {"iat": NOW + 29}, {"aud": ["x", "bank"]}])
def test_clocks_may_differ_a_little(claims: dict[str, Any]) -> None:
    assert verifier().verify(signed(**claims)).principal.name


def test_no_leeway() -> None:
    refused(signed(exp=NOW), leeway=0)
    assert verifier(leeway=0).verify(signed(exp=NOW + 1)).principal.name


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp"])
def test_a_claim_that_is_missing(missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    refused(jwt.encode({"alg": "RS256", "kid": "rsa"}, claims, RSA, algorithms=["RS256"]))


@pytest.mark.parametrize(
    ("claim", "claims", "roles"),
    [
        ("roles", {"roles": ["a", "b", 7]}, {"a", "b"}),
        ("roles", {"roles": "a b"}, {"a", "b"}),
        ("roles", {"roles": None}, set[str]()),
        ("roles", {"roles": {"admin": True}}, set[str]()),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("realm_access.roles", {"realm_access": "admin"}, set[str]()),
        ("scope", {"scope": "viewer x"}, {"viewer", "x"}),
    ],
)
def test_roles(claim: str, claims: dict[str, Any], roles: set[str]) -> None:
    assert verifier(roles_claim=claim).verify(signed(**claims)).principal.roles == roles


def test_a_damaged_signature() -> None:
    head, body, signature = signed().split(".")
    for place in range(0, len(signature) - 1, 37):
        other = "A" if signature[place] != "A" else "B"
        refused(f"{head}.{body}.{signature[:place]}{other}{signature[place + 1 :]}")
    refused(f"{head}.{encoded(CLAIMS | {'sub': 'root'})}.{signature}")


def test_what_is_encrypted_or_too_long() -> None:
    refused("a.b.c.d.e")
    refused(signed(padding="x" * 9000))


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.binary(max_size=30), min_size=1, max_size=6).map(lambda parts: ".".join(map(_b64, parts)))
)
def test_whatever_is_sent(token: str) -> None:
    with pytest.raises(NotAuthenticated):
        verifier().verify(token)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip", "enc"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
    )
)
def test_whatever_a_header_says(header: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        verifier().verify(f"{encoded(header)}.{signed().split('.', 1)[1]}")


def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks(EC))
    now = [0.0]
    found = verifier(str(file), now=lambda: now[0])
    with pytest.raises(NotAuthenticated):
        found.verify(signed())
    _rewrite(file, jwks(EC, RSA))
    with pytest.raises(NotAuthenticated):
        found.verify(signed())
    now[0] += 1
    assert found.verify(signed()).principal.name
    _rewrite(file, jwks(RSA)[:50])
    now[0] += 1
    assert found.verify(signed()).principal.name, "a file that is half written changes nothing"
    file.unlink()
    now[0] += 1
    assert found.verify(signed()).principal.name
    _rewrite(file, jwks(EC))
    now[0] += 1
    with pytest.raises(NotAuthenticated):
        found.verify(signed())


def _rewrite(file: Path, text: str) -> None:
    _rewrite.times += 1  # type: ignore[attr-defined]
    file.write_text(text)
    os.utime(file, ns=(_rewrite.times, _rewrite.times))  # type: ignore[attr-defined]


_rewrite.times = 0  # type: ignore[attr-defined]


def test_shared_secrets_come_from_a_file_only(tmp_path: Path) -> None:
    secret = OctKey.generate_key(256, {"kid": "s"}, auto_kid=False)
    with pytest.raises(ConfigurationError, match="put the JWKS into a file") as found:
        verifier(jwks(secret, private=True))
    assert str(secret.as_dict()["k"]) not in str(found.value)
    with pytest.raises(ConfigurationError, match="put the JWKS into a file"):
        verifier(jwks(RSA, private=True))
    file = tmp_path / "keys.json"
    file.write_text(jwks(secret, private=True))
    assert verifier(str(file)).verify(signed(secret, "HS256")).principal.name == "ann"


@pytest.mark.parametrize(
    "keys", ["{}", '{"keys": []}', '{"keys": [{"kty": "oct"}]}', "{nonsense", "nowhere.json", '{"keys": 7}']
)
def test_keys_that_are_none(keys: str) -> None:
    with pytest.raises(ConfigurationError):
        verifier(keys)


@pytest.mark.parametrize("missing", ["jwt_issuer", "jwt_audience"])
def test_settings_that_leave_something_open(missing: str) -> None:
    given_settings = {"jwt_keys": KEYS, "jwt_issuer": "https://idp", "jwt_audience": "bank"}
    micros: Callable[[], int] = lambda: NOW * 1_000_000  # noqa: E731
    complete = jwt_verifier(Settings(**given_settings), micros)  # type: ignore[arg-type]
    assert complete is not None and complete.verify(signed()).principal.name
    with pytest.raises(ConfigurationError, match=missing):
        jwt_verifier(Settings(**{name: value for name, value in given_settings.items() if name != missing}), micros)  # type: ignore[arg-type]
    assert jwt_verifier(Settings(), micros) is None
