"""THE HTTP FACE: commands, queries, streams and events over HTTP, for programs and browsers."""

from everfold.http.api import HttpApi

__all__ = ["HttpApi"]
