"""A small service of several worker processes, which share one node: the daemon beside them.

Run it from the repository, with a daemon (`tastemesh run --home service-home`) beside it::

    python -m examples.several_workers service-home --workers 4

or under any server of WSGI that forks::

    gunicorn --workers 4 "examples.several_workers:create_app('service-home')"

`POST /users` with a name makes a user, `POST /plays` with a name and an item says that he played
it, and `GET /for-you?name=…` is his list. A real service knows who asks; here the name is enough.
"""

import argparse
import json
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import tastemesh
from tastemesh.errors import DaemonError, StorageError, UsageError

Fields = dict[str, str]

_BODY_BYTES = 4_096
_NO_PAGE: object = {"error": "no such page"}


def create_app(where: str, token: str | None = None) -> WSGIApplication:
    """Return the service; its client is made before the fork, and works in each worker.

    Args:
        where: the node's home, or the daemon's URL.
        token: of the daemon, where it is a URL.
    """
    node = tastemesh.connect(where, token=token, timeout_s=10.0)

    def users(fields: Fields) -> object:
        return {"name": node.identity(fields["name"]).name}

    def plays(fields: Fields) -> object:
        return {"records": node.record(fields["item"], identity=fields["name"])}

    def for_you(fields: Fields) -> object:
        try:
            lines = node.recommend(10, identity=fields["name"])
        except DaemonError:  # it is being restarted, say: a page without it is better than none
            lines = []
        return {"items": [line.item for line in lines], "worker": os.getpid()}

    routes: dict[tuple[str, str], Callable[[Fields], object]] = {
        ("POST", "/users"): users,
        ("POST", "/plays"): plays,
        ("GET", "/for-you"): for_you,
    }

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        handler = routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        status, answer = "404 Not Found", _NO_PAGE
        try:
            if handler is not None:
                status, answer = "200 OK", handler(_fields(environ))
        except (UsageError, KeyError) as error:
            status, answer = "400 Bad Request", {"error": str(error)}
        except (DaemonError, StorageError):  # or its disk is full
            status, answer = "503 Service Unavailable", {"error": "not now; try again"}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode() + b"\n"]

    return app


def _fields(environ: WSGIEnvironment) -> Fields:
    length = min(int(environ.get("CONTENT_LENGTH") or 0), _BODY_BYTES)
    body = environ["wsgi.input"].read(length).decode()
    given = parse_qs(f"{environ['QUERY_STRING']}&{body}")
    return {name: values[-1] for name, values in given.items()}


def serve(app: WSGIApplication, listener: socket.socket) -> None:
    """Be one worker: answer what comes on a socket that all of them listen on."""
    host, port = listener.getsockname()
    server = WSGIServer((host, port), WSGIRequestHandler, bind_and_activate=False)
    server.socket.close()
    server.socket, server.server_name, server.server_port = listener, host, port
    server.setup_environ()
    server.set_app(app)
    server.serve_forever()


def main() -> None:
    """Run the service until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="A service of several workers and one node.")
    parser.add_argument("home", help="of the node that `tastemesh run` runs")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--port", type=int, default=8800, help="0 for any free one")
    options = parser.parse_args()
    app = create_app(options.home)
    forking = multiprocessing.get_context("fork")
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        workers = [
            forking.Process(target=serve, args=(app, listener), daemon=True)
            for _ in range(options.workers)
        ]
        for worker in workers:
            worker.start()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # ends the workers, too
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    main()
