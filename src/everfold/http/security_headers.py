"""What every response tells browsers not to do with it. Added by ``handling``, and where there is no operation."""

from __future__ import annotations

from starlette.responses import Response

from everfold.http.json_response import JsonResponse

__all__ = ["POLICY", "page_policy", "with_security_headers"]

POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Of what is no page: should a browser show it nevertheless, nothing in it runs or loads."""
_POLICY_HEADER = b"content-security-policy"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_WITH_POLICY = (*_HEADERS, (_POLICY_HEADER, POLICY.encode()))


def with_security_headers(response: Response) -> Response:
    """The response itself, with the headers. A policy for its content that it has already is kept."""
    headers = response.raw_headers
    if type(response) is JsonResponse:  # has none
        headers.extend(_WITH_POLICY)
        return response
    for name, _ in headers:
        if name == _POLICY_HEADER:
            headers.extend(_HEADERS)
            return response
    headers.extend(_WITH_POLICY)
    return response


def page_policy(*, styles: str = "'none'", scripts: str = "'none'", forms: str = "'none'") -> str:
    """The content policy of an HTML page: what it may use, as sources (``'self'``, ``'sha256-...'``)."""
    return (
        f"default-src 'none'; style-src {styles}; script-src {scripts}; form-action {forms}; "
        "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"
    )
