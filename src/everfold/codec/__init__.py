"""Typed events to records and back: registry, JSON, upcasters, metadata."""
