"""The memory engine: the smallest one, the reference the others are compared with, and the one for unit tests."""
