"""Where the work is done: in this process, in several, or on a cluster, by way of joblib.

`run` gives results as they are finished; whoever waits for them names what each belongs to.
"""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from tastemesh.errors import UsageError

BACKENDS = ("local", "dask", "ray")

SCHEDULER_TIMEOUT_S = 10  # a scheduler that is there answers in milliseconds; guess

Result = TypeVar("Result")


class Backend(Protocol):
    """Calls a function many times."""

    def run(
        self,
        function: Callable[..., Result],
        calls: Sequence[tuple[Any, ...]],
        shared: Any,
    ) -> Iterator[Result]:
        """Yield each call's result, in any order.

        Args:
            function: importable by name, without side effects.
            calls: arguments of each call.
            shared: a large argument that all calls have, sent to each machine once.
        """
        ...


class InProcess:
    """One call after the other."""

    def run(
        self, function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], shared: Any
    ) -> Iterator[Result]:
        """Yield in order."""
        for call in calls:
            yield function(*call)


IN_PROCESS = InProcess()


class Joblib:
    """Calls spread by one of joblib's backends.

    Args:
        name: joblib's name of the backend.
        jobs: processes; -1 for all there are.
        scatters: the backend sends `shared` ahead.
    """

    def __init__(self, name: str, jobs: int, *, scatters: bool = False) -> None:
        self._name = name
        self._jobs = jobs
        self._scatters = scatters

    def run(
        self, function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], shared: Any
    ) -> Iterator[Result]:
        """Yield as they are finished."""
        from joblib import Parallel, delayed, parallel_config

        extra = {"scatter": [shared]} if self._scatters else {}
        with parallel_config(backend=self._name, n_jobs=self._jobs, **extra):
            parallel = Parallel(return_as="generator_unordered", batch_size=1)
            yield from parallel(delayed(function)(*call) for call in calls)


@contextmanager
def open_backend(name: str, *, jobs: int = 1, scheduler: str | None = None) -> Iterator[Backend]:
    """Connect to whoever does the work, and let go of it at the end.

    Args:
        name: of `BACKENDS`.
        jobs: processes of `local`, and of the cluster that `dask` starts without a scheduler.
        scheduler: address of a dask scheduler, `tcp://host:8786` say.

    Raises:
        UsageError: an option does not fit, what it needs is not installed, or nobody answers.
    """
    if name not in BACKENDS:
        raise UsageError(f"--backend {name}: expected {', '.join(BACKENDS)}")
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: expected 1 or more")
    if scheduler is not None and name != "dask":
        raise UsageError(f"--scheduler goes with --backend dask, not {name}")
    if name == "local":
        if jobs == 1:
            yield IN_PROCESS
            return
        _need(f"--jobs {jobs}", "joblib", "'tastemesh[lab]'")
        yield Joblib("loky", jobs)
    elif name == "dask":
        _need("--backend dask", "joblib", "'tastemesh[lab]'")
        _need("--backend dask", "distributed", "'tastemesh[lab]'")
        with _dask_client(jobs, scheduler):
            yield Joblib("dask", -1, scatters=True)
    else:
        _need("--backend ray", "joblib", "'tastemesh[lab]'")
        _need("--backend ray", "ray", "ray")
        from ray.util.joblib import register_ray

        register_ray()
        yield Joblib("ray", -1)


@contextmanager
def _dask_client(jobs: int, scheduler: str | None) -> Iterator[None]:
    from distributed import Client, LocalCluster

    if scheduler is None:
        with (
            LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=jobs, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
            ) as cluster,
            Client(cluster),  # type: ignore[no-untyped-call]
        ):
            yield
        return
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"--scheduler {scheduler}: no dask scheduler answers: {error}") from error
    with client:
        yield


def _need(what: str, module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"{what} needs {module}, which is not installed: pip install {package}")
