"""Where the work is done: in this process, in several, or on a cluster, by way of joblib.

`run` gives results as they are finished; whoever waits for them names what each belongs to.
"""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from tastemesh.errors import ProcessError, UsageError

BACKENDS = ("local", "dask", "ray")

SCHEDULER_TIMEOUT_S = 10  # a scheduler that is there answers in milliseconds; guess
_JOBS_MOST = 1_024  # a process takes 100 MB and more, and all are started at once; guess

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
        self._sent: tuple[Any, Any] = None, None  # what all calls had last, and dask's hold on it

    def run(
        self, function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], shared: Any
    ) -> Iterator[Result]:
        """Yield as they are finished."""
        from joblib import Parallel, delayed, parallel_config

        if self._scatters and self._sent[0] is not shared:
            from distributed import get_client

            # Joblib lets go of it after each run and sends it anew for the next, under one name: on
            # a busy machine the workers drop it then, and the run fails with "lost dependencies".
            client = get_client()
            self._sent = shared, client.scatter([shared], broadcast=True)  # type: ignore[no-untyped-call]
        extra = {"scatter": [shared]} if self._scatters else {}
        jobs = min(self._jobs, max(1, len(calls)))  # no process that has nothing to do
        with parallel_config(backend=self._name, n_jobs=jobs, **extra):
            parallel = Parallel(return_as="generator_unordered", batch_size=1)
            yield from parallel(delayed(function)(*call) for call in calls)


def check_backend(name: str, *, jobs: int = 1, scheduler: str | None = None) -> None:
    """Refuse a backend that cannot be opened; see `open_backend`.

    Raises:
        UsageError: an option does not fit, or what it needs is not installed.
    """
    if name not in BACKENDS:
        raise UsageError(f"--backend {name}: expected {', '.join(BACKENDS)}")
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: expected 1 or more")
    if jobs > _JOBS_MOST:
        raise UsageError(f"--jobs {jobs}: expected at most {_JOBS_MOST}")
    if scheduler is not None and name != "dask":
        raise UsageError(f"--scheduler goes with --backend dask, not {name}")
    if name == "local":
        if jobs > 1:
            _need(f"--jobs {jobs}", "joblib", "'tastemesh[lab]'")
        return
    _need(f"--backend {name}", "joblib", "'tastemesh[lab]'")
    if name == "dask":
        _need("--backend dask", "distributed", "'tastemesh[lab]'")
    else:
        _need("--backend ray", "ray", "ray")


@contextmanager
def open_backend(name: str, *, jobs: int = 1, scheduler: str | None = None) -> Iterator[Backend]:
    """Connect to whoever does the work, and let go of it at the end.

    Args:
        name: of `BACKENDS`.
        jobs: processes of `local`, and of the cluster that `dask` starts without a scheduler.
        scheduler: address of a dask scheduler, `tcp://host:8786` say.

    Raises:
        UsageError: an option does not fit, what it needs is not installed, or nobody answers.
        ProcessError: the cluster's processes cannot be started.
    """
    check_backend(name, jobs=jobs, scheduler=scheduler)
    if name == "local":
        yield IN_PROCESS if jobs == 1 else Joblib("loky", jobs)
    elif name == "dask":
        with _dask_client(jobs, scheduler):
            yield Joblib("dask", -1, scatters=True)
    else:
        from ray.util.joblib import register_ray

        register_ray()
        yield Joblib("ray", -1)


@contextmanager
def _dask_client(jobs: int, scheduler: str | None) -> Iterator[None]:
    from distributed import Client, LocalCluster

    if scheduler is None:
        try:
            cluster = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=jobs, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
            )
        except (OSError, RuntimeError) as error:
            raise ProcessError(f"--backend dask: no cluster can be started: {error}") from error
        with cluster, Client(cluster):  # type: ignore[no-untyped-call]
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
