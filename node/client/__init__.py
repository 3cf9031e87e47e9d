"""Speaks to a node that runs elsewhere on the machine as a daemon; the commands go the same way."""
