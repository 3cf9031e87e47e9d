"""Runs the service: `python -m examples.music_app --sample`."""

import argparse
from pathlib import Path

import uvicorn

from examples.music_app.app import create_app


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.music_app", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("music-app"), help="its data")
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--broker", action="append", default=[], metavar="URL", help="MQTT broker")
    parser.add_argument("--sample", action="store_true", help="with some people to endorse")
    parser.add_argument("--https", action="store_true", help="a proxy in front speaks https")
    given = parser.parse_args()
    app = create_app(
        given.folder, tuple(given.broker), with_sample=given.sample, is_https=given.https
    )
    uvicorn.run(app, port=given.port)


if __name__ == "__main__":
    main()
