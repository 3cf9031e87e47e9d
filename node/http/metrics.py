"""`/metrics` in Prometheus' text format 0.0.4, from what `Node.status` says.

Written out here, since every value is a snapshot that exists already: prometheus-client would add
a process-wide registry and 120 ms of import (ecosystem research, section 5) to keep it twice.
The documentation's list is made of `METRICS` too (`docs/reference.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tastemesh.errors import StorageCause
from tastemesh.node.http.endings import Ending

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SALVAGED = ("records", "lost_records", "private", "lost_private")
"""What is told of a database that was damaged; `tastemesh.storage.salvage.Salvage` says more."""

Status = Mapping[str, Any]
Samples = Iterable[tuple[str, float]]


class Metric(NamedTuple):
    """One family of samples.

    Attributes:
        name: after `tastemesh_`.
        kind: gauge or counter; a counter begins at 0 with the process.
        meaning: a sentence.
        label: what its samples are told apart by; empty for a single one.
        samples: gives (the label's value, value) from a node's status, with its server's `endings`.
    """

    name: str
    kind: str
    meaning: str
    label: str
    samples: Callable[[Status], Samples]


def _single(name: str, kind: str, meaning: str, value: Callable[[Status], float]) -> Metric:
    return Metric(name, kind, meaning, "", lambda status: [("", value(status))])


def _window(name: str, meaning: str, key: str) -> Metric:
    return _single(f"window_{name}", "gauge", meaning, lambda status: status["window"][key])


def _broker(name: str, kind: str, meaning: str, key: str) -> Metric:
    def samples(status: Status) -> Samples:
        return [(each["broker"], each[key]) for each in status["brokers"]]

    return Metric(f"broker_{name}", kind, meaning, "broker", samples)


def _ingest(key: str) -> Callable[[Status], Samples]:
    return lambda status: [(stage, each[key]) for stage, each in status["ingest"].items()]


def _coverage(status: Status) -> Samples:
    meter = status["meter"].items()
    return [(name, each["coverage"]) for name, each in meter if each["coverage"] is not None]


def _causes(status: Status) -> Samples:
    return [(each, status["storage"]["cause"] == each) for each in StorageCause]


def _endings(status: Status) -> Samples:
    endings = status.get("endings")
    return [] if endings is None else [(each, endings[each]) for each in Ending]


def _salvaged(status: Status) -> Samples:
    salvaged = status["storage"]["salvaged"] or {}
    return [(kind, salvaged[kind]) for kind in SALVAGED if salvaged]


METRICS = (
    _window("records", "Signed records in the window.", "records"),
    _window("statements", "Statements in the window.", "statements"),
    _window("authors", "Authors in the window.", "authors"),
    _window("statements_bound", "Most statements that the window holds.", "bound"),
    _single("peers", "gauge", "Nodes heard of lately.", lambda status: status["peers"]),
    _single(
        "storage_fault",
        "gauge",
        "1 when nothing can be stored.",
        lambda status: status["storage"]["fault"] is not None,
    ),
    _single(
        "storage_damage",
        "gauge",
        "1 when not all of the database can be read.",
        lambda status: status["storage"]["damage"] is not None,
    ),
    Metric("storage_fault_cause", "gauge", "1 for what keeps it from that.", "cause", _causes),
    _single(
        "storage_used_bytes",
        "gauge",
        "What the database takes on the disk.",
        lambda status: status["storage"]["used_bytes"],
    ),
    _single(
        "storage_bound_bytes",
        "gauge",
        "What it may take.",
        lambda status: status["storage"]["bound_bytes"],
    ),
    Metric(
        "storage_salvaged_rows",
        "gauge",
        "What could be read of a damaged database and what could not. Absent without one, and once"
        " the file that was set aside is deleted.",
        "rows",
        _salvaged,
    ),
    Metric(
        "ingest_records_total",
        "counter",
        "Signed records that came to each stage of the intake; what is known already, or refused"
        " before its signature is looked at, ends with `dedupe`. Own ones begin at `persist`.",
        "stage",
        _ingest("records"),
    ),
    Metric(
        "ingest_seconds_total",
        "counter",
        "Time that each stage took: taking apart and reading (`decode`); known already, rates,"
        " quotas and the window (`dedupe`); signatures (`verify`); transactions, other tasks' turns"
        " meanwhile included (`persist`); what the ranking reads (`arrays`).",
        "stage",
        _ingest("seconds"),
    ),
    _single(
        "clock_steps_total",
        "counter",
        "Times that the clock was set by more than 120 s, or the machine slept.",
        lambda status: status["clock"]["steps"],
    ),
    _single(
        "clock_last_step_seconds",
        "gauge",
        "How far the last time; negative: back.",
        lambda status: status["clock"]["last_step_s"],
    ),
    _single(
        "convicted_authors",
        "gauge",
        "Identities proved to have signed two records under one number.",
        lambda status: status["convicted"],
    ),
    _single(
        "internal_errors_total",
        "counter",
        "Faults of the program's own; the log has them.",
        lambda status: status["internal_errors"],
    ),
    Metric(
        "rejected_total",
        "counter",
        "Refused, by reason.",
        "reason",
        lambda status: status["rejected"].items(),
    ),
    Metric(
        "http_ended_total",
        "counter",
        "Connections that the HTTP server ended, by what their client did: asked nothing for 10 s"
        " (`silent`), or nothing for longest where there were more than 512 (`crowded`), or took"
        " nothing of its answer for 60 s (`stalled`). Absent where the API is mounted.",
        "ending",
        _endings,
    ),
    Metric(
        "broker_coverage",
        "gauge",
        "The censorship meter: the share of what other brokers delivered lately that this one"
        " delivered too. Absent while there is nothing to compare.",
        "broker",
        _coverage,
    ),
    _broker("connected", "gauge", "1 while the session stands.", "connected"),
    _broker("connections_total", "counter", "Sessions established.", "connection_count"),
    _broker("lost_sessions", "gauge", "Sessions lost in the last ten minutes.", "lost_count"),
    _broker("received_total", "counter", "Messages received.", "received_count"),
    _broker("dropped_total", "counter", "Messages discarded unread.", "dropped_count"),
    _broker("acknowledged_total", "counter", "Payloads acknowledged.", "acknowledged_count"),
    _broker("refused_total", "counter", "Payloads refused, outbox full.", "refused_count"),
    _broker("outbox_payloads", "gauge", "Payloads not acknowledged yet.", "waiting_count"),
    _broker("outbox_bytes", "gauge", "Size of those.", "waiting_bytes"),
)
"""In the order of the answer."""


def exposition(status: Status) -> str:
    """Return the metrics of one node.

    Args:
        status: what `Node.status` returned.
    """
    lines: list[str] = []
    for metric in METRICS:
        name = f"tastemesh_{metric.name}"
        lines += [f"# HELP {name} {metric.meaning}", f"# TYPE {name} {metric.kind}"]
        lines += [
            f"{name}{_label(metric.label, each)} {value:.17g}"
            for each, value in metric.samples(status)
        ]
    return "\n".join(lines) + "\n"


def _label(name: str, value: str) -> str:
    if not name:
        return ""
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'{{{name}="{escaped}"}}'
