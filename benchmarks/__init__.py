"""How fast everfold is, beside the bare driver (the limit) and beside a peer: ``python -m benchmarks``.

Every work is a file: ``commands``, ``latency``, ``append``, ``replay``, ``read``, ``memory``, ``start``; of the read
side ``catch_up``, ``inline``, ``rebuild``, ``queries``, ``lag``; of the HTTP face ``web`` and ``sse``. The sides it
compares are measured in turns, on equal data, and each says in its docstring what it does and what it leaves out. The
parts they share: ``everfold_side`` and ``read_models``, ``raw_side`` and ``group_commit`` (the bare driver),
``peer_side`` and ``peer_views`` (``eventsourcing``), ``payload`` (the data that is equal for all), ``child``
(processes), ``web_server``, ``turns``, ``report``, ``machine``. The works on PostgreSQL are in ``postgres``.

Figures are medians. Nothing here is part of the test run, except that each work runs once on tiny counts.
"""
