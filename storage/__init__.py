"""The window on disk: the only place with SQL."""
