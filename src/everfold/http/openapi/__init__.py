"""The OpenAPI 3.1 document of an application's HTTP API, made from its table of routes."""
