"""Wiring: the application, its buses, middleware, settings and life cycle."""
