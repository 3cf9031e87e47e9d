"""The daemon's private HTTP API: loopback, bearer token, OpenAPI (ADR 6)."""
