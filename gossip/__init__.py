"""Identities, signed records and the gossip protocol as a pure state machine."""
