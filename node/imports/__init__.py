"""Bringing one's history: exports of other services, read into what a user can record."""
