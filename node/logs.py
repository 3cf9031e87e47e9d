"""Logs of the daemon: one line an event, on stderr; JSON unless a person is watching.

Library code logs through the standard `logging` or structlog and configures neither; this is the
one place that does, and brings the two together.
"""

import logging
import sys
from typing import TextIO

if "structlog" not in sys.modules and "rich" not in sys.modules:
    # structlog takes rich, where it is installed, for tracebacks in colour, which are never asked
    # for here: an eighth of what a daemon imports (measured). Hidden, it is left out (PEP 328).
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog
    finally:
        del sys.modules["rich"]
import structlog


def configure_logs(level: str, stream: TextIO = sys.stderr) -> None:
    """Send what tastemesh and its libraries log to `stream`.

    Args:
        level: debug, info, warning or error; libraries speak from warning upwards.
        stream: a terminal gets aligned text, anything else JSON.
    """
    both: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if stream.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*both, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *both,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("tastemesh").setLevel(level.upper())
