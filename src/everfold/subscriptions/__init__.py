"""Following the log: catching up, then live; leases, retries and parked events."""
