"""What a worker process does with a client, for processes that are forked or started afresh."""

import tastemesh


def say(node: tastemesh.RemoteNode, name: str, count: int) -> None:
    """Record as one user, and check each time that no answer is another process's."""
    user = node.identity(name)
    for number in range(count):
        (record_id,) = user.record(f"{name} {number}")
        assert len(record_id) == 64
        assert user.explain(f"{name} {number}") is None
        said = [each.item for each in user.export().interactions]
        assert sorted(said) == sorted(f"{name} {n}" for n in range(number + 1))
    node.close()
