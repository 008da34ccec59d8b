"""Which sockets have something to tell. Used for connections that wait, and for those that are idle.

``select`` cannot do it alone: it knows no descriptors above 1,023, and a server with many clients has them.
"""

from __future__ import annotations

import select
from collections.abc import Collection

__all__ = ["readable"]


def readable(descriptors: Collection[int], seconds: float) -> Collection[int]:
    """Those that can be read now, or within these seconds; none: the time is over."""
    if not hasattr(select, "poll"):  # Windows, where descriptors are no small numbers anyway
        return select.select(descriptors, [], [], seconds)[0]
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(seconds * 1000)]
