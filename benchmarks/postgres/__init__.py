"""The works on PostgreSQL: everfold beside the bare driver (psycopg) and the peer with its own PostgreSQL module.

Each work has a server of its own, with its own defaults, that syncs every commit: it comes with the development
packages. ``EVERFOLD_BENCH_POSTGRES=postgresql://user@host/database`` uses one of yours; the schemas that are made in it
are dropped again. Everybody reaches it by TCP. Shared: ``database``, ``raw`` (the driver), ``peer``, ``together``
(several processes, each of which is a ``caller``).
"""
