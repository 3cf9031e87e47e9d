"""`/metrics` in Prometheus' text format 0.0.4, from what `Node.status` says.

Written out here, since every value is a snapshot that exists already: prometheus-client would add
a process-wide registry and 120 ms of import (ecosystem research, section 5) to keep it twice.
"""

from collections.abc import Mapping
from typing import Any

from tastemesh.errors import StorageCause

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Metric, type, help, key in `status()["window"]`.
_WINDOW = (
    ("window_records", "gauge", "Signed records in the window.", "records"),
    ("window_statements", "gauge", "Statements in the window.", "statements"),
    ("window_authors", "gauge", "Authors in the window.", "authors"),
    ("window_statements_bound", "gauge", "Most statements that the window holds.", "bound"),
)

# Metric, type, help, key in `status()["clock"]`.
_CLOCK = (
    (
        "clock_steps_total",
        "counter",
        "Times that the clock was set by more than 120 s, or the machine slept.",
        "steps",
    ),
    ("clock_last_step_seconds", "gauge", "How far the last time; negative: back.", "last_step_s"),
)

# Metric, type, help, key in each of `status()["brokers"]`.
_BROKERS = (
    ("broker_connected", "gauge", "1 while the session stands.", "connected"),
    ("broker_connections_total", "counter", "Sessions established.", "connection_count"),
    ("broker_received_total", "counter", "Messages received.", "received_count"),
    ("broker_dropped_total", "counter", "Messages discarded unread.", "dropped_count"),
    ("broker_acknowledged_total", "counter", "Payloads acknowledged.", "acknowledged_count"),
    ("broker_refused_total", "counter", "Payloads refused, outbox full.", "refused_count"),
    ("broker_outbox_payloads", "gauge", "Payloads not acknowledged yet.", "waiting_count"),
    ("broker_outbox_bytes", "gauge", "Size of those.", "waiting_bytes"),
)


def exposition(status: Mapping[str, Any]) -> str:
    """Return the metrics of one node.

    Args:
        status: what `Node.status` returned.
    """
    lines: list[str] = []
    for name, kind, meaning, key in _WINDOW:
        _family(lines, name, kind, meaning, [("", status["window"][key])])
    _family(lines, "peers", "gauge", "Nodes heard of lately.", [("", status["peers"])])
    fault = status["storage"]["fault"] is not None
    _family(lines, "storage_fault", "gauge", "1 when nothing can be stored.", [("", fault)])
    causes = [(_label("cause", each), status["storage"]["cause"] == each) for each in StorageCause]
    _family(lines, "storage_fault_cause", "gauge", "1 for what keeps it from that.", causes)
    clock = status["clock"]
    for name, kind, meaning, key in _CLOCK:
        _family(lines, name, kind, meaning, [("", clock[key])])
    rejected = [(_label("reason", reason), n) for reason, n in status["rejected"].items()]
    _family(lines, "rejected_total", "counter", "Refused, by reason.", rejected)
    for name, kind, meaning, key in _BROKERS:
        samples = [(_label("broker", b["broker"]), b[key]) for b in status["brokers"]]
        _family(lines, name, kind, meaning, samples)
    return "\n".join(lines) + "\n"


def _family(
    lines: list[str], name: str, kind: str, meaning: str, samples: list[tuple[str, float]]
) -> None:
    name = f"tastemesh_{name}"
    lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{label} {value:.17g}" for label, value in samples]


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'{{{name}="{escaped}"}}'
