"""The SQLite engine: the embedded default. One file, durable at every commit, shared by any number of processes."""
