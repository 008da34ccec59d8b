"""WHO MAY DO WHAT: principals, tokens, roles, policies, rate limits, audit. Wraps seams of the app from outside."""

from everfold.security.policies import Policies, allowed, anyone, known, nobody, owner_of, roles, stream
from everfold.security.principal import Principal, acting_as, current_principal

__all__ = [
    "Policies",
    "Principal",
    "acting_as",
    "allowed",
    "anyone",
    "current_principal",
    "known",
    "nobody",
    "owner_of",
    "roles",
    "stream",
]
