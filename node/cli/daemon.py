"""`tastemesh init` and `tastemesh run`."""

import asyncio
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.node.cli.options import Home
from tastemesh.node.config import FILE_NAME, load_configuration, template
from tastemesh.node.http.access import token_of, write_private
from tastemesh.node.keys import create_key, load_key

Network = Annotated[str | None, typer.Option(help="Name of the network to take part in.")]
Brokers = Annotated[
    list[str] | None,
    typer.Option(
        "--broker", metavar="URL", help="MQTT broker; repeat for several. None: the embedded one."
    ),
]
HttpPort = Annotated[
    int | None, typer.Option(metavar="PORT", help="Port of the HTTP API; 0 for any free one.")
]


def init(
    home: Home,
    network: Network = None,
    broker: Brokers = None,
    http_port: HttpPort = None,
) -> None:
    """Make a home: keys, token and a configuration file.

    Doing it again changes nothing. TASTEMESH_PASSPHRASE, or a passphrase_file, encrypts the keys.

    Example: tastemesh init --home ~/ann --broker mqtt://broker.example
    """
    flags = {"network": network, "brokers": broker, "http_port": http_port}
    stated = [name for name, value in flags.items() if value not in (None, [])]
    file = home / FILE_NAME
    if file.exists() and stated:
        raise UsageError(f"{file} exists already; change {', '.join(stated)} there")
    configuration = load_configuration(home, flags)
    token_of(home)
    if not file.exists():
        _write(file, template(configuration.settings, stated))
    keys = [home / "keys" / f"{name}.key" for name in ("node", "me")]
    is_new = not any(key.exists() for key in keys)
    for key in keys:
        take = load_key if key.exists() else create_key
        signer = take(key, configuration.passphrase)
    if is_new:
        from tastemesh.node.home import begin_window  # a tenth of a second of imports

        asyncio.run(begin_window(configuration.node_config(), [signer.id]))
    typer.echo(f"home      {home}")
    identity = format_id(signer.id)
    typer.echo(f"identity  {identity}")
    typer.echo(f"run it    tastemesh run --home {quote(str(home))}")
    typer.echo(f"friends   tastemesh endorse {identity}")


def _write(file: Path, text: str) -> None:
    try:
        write_private(file, text)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None


def run(
    home: Home,
    network: Network = None,
    broker: Brokers = None,
    http_port: HttpPort = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")
    ] = None,
) -> None:
    """Run the node of a home until Ctrl-C or SIGTERM.

    A home that does not exist is made. Flags come before the environment, and that before the
    home's config.toml.

    Example: tastemesh run --home ~/ann --http-port 0
    """
    configuration = load_configuration(
        home,
        {"network": network, "brokers": broker, "http_port": http_port, "log_level": log_level},
    )
    from tastemesh.node.daemon import run_daemon  # half a second of imports, after the checks
    from tastemesh.node.logs import configure_logs

    configure_logs(configuration.settings.log_level)
    asyncio.run(run_daemon(configuration, lambda url: typer.echo(f"dashboard  {url}")))
