"""Orders: the classic order system, from draft to delivery, with an old shop's invoices as its history.

Read ``domain`` first (what an order goes through, and what is refused), then ``order_views`` (what is shown of it), and
``app`` (all parts together). ``history``, ``sales_views`` and ``import_retail`` bring the old invoices in. The commands
to try are in README.md.
"""
