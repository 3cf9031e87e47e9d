"""The recommenders that evaluation and attacks compare, all behind one small interface."""
