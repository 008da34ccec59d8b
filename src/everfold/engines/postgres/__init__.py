"""The log in PostgreSQL: one schema of a database for each application, any number of processes."""
