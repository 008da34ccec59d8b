"""Every exception that everfold raises on purpose, in one place. Used by every room and caught by users.

Each error says what happened and what to do next, carries the facts as attributes, and has a
stable ``code`` that logs, HTTP problems and exit codes are derived from. ::

    EverfoldError
    ├── DefinitionError         a class, handler or upcaster is declared wrongly (at import or start)
    │   └── BrokenRule          running code broke a rule: a decision changed state, an evolve refused
    ├── ConfigurationError      a setting is wrong, missing or contradictory
    │   └── MissingExtra        an optional dependency is not installed
    ├── Rejected                the domain said no, for a reason the caller can act on
    ├── InvalidName             a key, category, stream name or tag breaks the naming rules
    ├── InvalidMessage          a command or query has a missing, unknown or wrong field
    ├── UnknownMessage          nothing handles this command or query
    ├── NotFound                the aggregate, record or row does not exist
    ├── NotAuthorized           the caller may not do this
    ├── Conflict                somebody else wrote first
    ├── IdempotencyKeyReused    the key was used before for a different command
    ├── TimedOut                the deadline passed; nothing was stored
    ├── OutcomeUnknown          it may or may not have been stored
    ├── ProjectionFailed        a projection could not apply an event
    ├── ReadModelBehind         a read model did not get as far as asked in time
    ├── ReadModelNotReady       a changed read model is being built and the old one cannot answer
    ├── InvalidImport           a source, or a row of it, cannot be imported
    │   └── SourceChanged       it does not begin with what was imported before
    ├── InvalidExport           an exported file is damaged, cut off or no export
    ├── RequestRefused          what reached a face is no message, or comes from where it may not
    │   ├── MalformedRequest, BodyTooLarge, UnsupportedMediaType, RequestTooSlow
    │   ├── UnknownRoute, MethodNotAllowed, PreconditionFailed, WrongHost
    │   ├── InvalidParameter, TooManyLiveClients
    │   └── NotAuthenticated, CrossOrigin, RateLimited
    ├── CodecError
    │   ├── InvalidEvent        an event cannot be stored as it is
    │   │   └── PayloadTooLarge
    │   ├── UnknownEventType    a stored type that no registered event claims
    │   └── UndecodableRecord   a stored record that does not fit its registered event
    └── StoreError              the store cannot do it; nothing of this append was stored
        ├── StoreClosed, StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
        ├── RestoreRefused      the store does not end where the exported file begins
        └── NotAStore, StoreCorrupt, StoreTooNew
"""

from __future__ import annotations

from everfold.errors.codec import CodecError, InvalidEvent, PayloadTooLarge, UndecodableRecord, UnknownEventType
from everfold.errors.declaration import BrokenRule, ConfigurationError, DefinitionError, MissingExtra
from everfold.errors.dispatch import (
    Conflict,
    IdempotencyKeyReused,
    InvalidMessage,
    InvalidName,
    NotAuthorized,
    NotFound,
    OutcomeUnknown,
    Rejected,
    TimedOut,
    UnknownMessage,
)
from everfold.errors.migration import InvalidExport, InvalidImport, SourceChanged
from everfold.errors.read_side import ProjectionFailed, ReadModelBehind, ReadModelNotReady
from everfold.errors.request import (
    BodyTooLarge,
    CrossOrigin,
    InvalidParameter,
    MalformedRequest,
    MethodNotAllowed,
    NotAuthenticated,
    PreconditionFailed,
    RateLimited,
    RequestRefused,
    RequestTooSlow,
    TooManyLiveClients,
    UnknownRoute,
    UnsupportedMediaType,
    WrongHost,
)
from everfold.errors.root import EverfoldError
from everfold.errors.store import (
    NotAStore,
    RestoreRefused,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)

__all__ = [
    "BodyTooLarge",
    "BrokenRule",
    "CodecError",
    "ConfigurationError",
    "Conflict",
    "CrossOrigin",
    "DefinitionError",
    "EverfoldError",
    "IdempotencyKeyReused",
    "InvalidEvent",
    "InvalidExport",
    "InvalidImport",
    "InvalidMessage",
    "InvalidName",
    "InvalidParameter",
    "MalformedRequest",
    "MethodNotAllowed",
    "MissingExtra",
    "NotAStore",
    "NotAuthenticated",
    "NotAuthorized",
    "NotFound",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "PreconditionFailed",
    "ProjectionFailed",
    "RateLimited",
    "ReadModelBehind",
    "ReadModelNotReady",
    "Rejected",
    "RequestRefused",
    "RequestTooSlow",
    "RestoreRefused",
    "SourceChanged",
    "StoreBusy",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
    "TimedOut",
    "TooManyLiveClients",
    "UndecodableRecord",
    "UnknownEventType",
    "UnknownMessage",
    "UnknownRoute",
    "UnsupportedMediaType",
    "WrongHost",
]
