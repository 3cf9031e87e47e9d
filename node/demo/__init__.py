"""The main job in one command: real nodes, a real broker, a hostile client, and a verdict."""
