"""Spans and measurements for OpenTelemetry. Imported only where it is configured; needs the extra ``otel``."""
