"""Where a request comes from, and whom it was meant for: the Host allow-list, and the origin of changes. For the gate.

A page of another site can have a browser send requests here, with the cookies it has for us (CSRF), and by giving its
own name our address it can even read the answers (DNS rebinding). The first is told by headers that only browsers set,
the second by the name in Host.
"""

from __future__ import annotations

from collections.abc import Iterable

from everfold.errors import CrossOrigin, WrongHost

__all__ = ["HostNames", "check_origin", "host_name", "is_loopback"]

ALWAYS = ("localhost", "127.0.0.1", "[::1]")
ANY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 (recognised, not bound to)
OWN = {b"same-origin", b"none"}


def host_name(host: str) -> str:
    """The name in a Host header: without port, in lower case, without a dot at its end."""
    host = host.strip().lower()
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name.removesuffix(".")


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens there."""
    return address in {"localhost", "::1"} or address.startswith("127.")


class HostNames:
    """The names under which the service may be addressed."""

    def __init__(self, allowed: Iterable[str], listens_on: str) -> None:
        given = [name.strip().lower() for name in allowed]
        self.are_all_allowed = "*" in given
        bound = [] if listens_on in ANY_ADDRESS else [f"[{listens_on}]" if ":" in listens_on else listens_on]
        self._names = {host_name(name) for name in (*ALWAYS, *given, *bound) if not name.startswith("*")}
        self._endings = tuple(name[1:] for name in given if name.startswith("*.") and len(name) > 2)
        self._seen: dict[bytes, bool] = {}

    def check(self, host: bytes) -> None:
        """WrongHost unless the Host header names this service."""
        if self.are_all_allowed:
            return
        is_allowed = self._seen.get(host)
        if is_allowed is None:
            is_allowed = self._is_allowed(host)
            if is_allowed and len(self._seen) < 100:
                self._seen[host] = True
        if not is_allowed:
            raise WrongHost(
                "This service does not answer for the host that was asked. If it should, add the name to the setting "
                "allowed_hosts."
            )

    def _is_allowed(self, host: bytes) -> bool:
        name = host_name(host.decode("latin-1"))
        return name in self._names or (bool(self._endings) and name.endswith(self._endings))


def check_origin(site: bytes | None, origin: bytes | None, *, host: bytes, is_ambient: bool) -> None:
    """CrossOrigin when a page of another origin sent a change, or may have sent it in the name of who is signed in.

    ``site``: the header Sec-Fetch-Site; ``is_ambient``: the browser proves by itself who asks. Of an origin the host is
    compared and not the scheme, which a proxy in front may have changed.
    """
    if site is not None:
        if site not in OWN:
            raise CrossOrigin("A page of another site sent this request. Send it from this site, or with a token.")
        return
    if origin is not None:
        if origin.lower().partition(b"://")[2] != host.lower() or not host:
            raise CrossOrigin("A page of another origin sent this request. Send it from this one, or with a token.")
        return
    if is_ambient:
        raise CrossOrigin("It cannot be told which site sent this request. Send Origin, or use a token.")
