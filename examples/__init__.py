"""Programs that use tastemesh, small enough to read and whole enough to run."""
