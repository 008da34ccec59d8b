"""The read side: projections turn events into tables, and answer queries from them."""
