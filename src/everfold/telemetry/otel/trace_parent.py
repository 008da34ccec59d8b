"""W3C Trace Context as metadata keeps it: a span as text, and the text as what another span can refer to."""

from __future__ import annotations

import re

from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags

__all__ = ["context_of", "remote_span", "traceparent_of"]

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def traceparent_of(span: Span) -> str | None:
    """The span as text; None when it is not a real one, because nothing has configured OpenTelemetry."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def context_of(traceparent: str | None) -> SpanContext | None:
    """What such a text refers to; None when it refers to nothing."""
    found = _FORM.fullmatch(traceparent) if traceparent else None
    if found is None or found[1] == "ff":
        return None
    context = SpanContext(
        int(found[2], 16), int(found[3], 16), is_remote=True, trace_flags=TraceFlags(int(found[4], 16))
    )
    return context if context.is_valid else None


def remote_span(context: SpanContext) -> Span:
    """A span of another process, to be the parent of one here."""
    return NonRecordingSpan(context)
