"""Fuzzing: whatever bytes come, only the documented exceptions and no growth past `Limits`."""
