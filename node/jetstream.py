"""Bounds for the queues of a NATS server's MQTT, set through JetStream's own interface.

NATS keeps MQTT messages until every subscribed session has them, sessions that never return
included, and knows no setting against it but these two, both worse (measured, 2.15.1):

- the store's size limit: when it is reached nobody can publish, nor even connect to empty it;
- `consumer_inactive_threshold`: forgets the queue of an absent session, and not the session. When
  the client comes back it is told that its session is present and its subscription granted, and
  never receives anything again.

So the streams behind MQTT get limits of their own, past which the oldest goes.
Protocol: NATS client protocol and JetStream API reference, docs.nats.io.
"""

import asyncio

import msgspec

from tastemesh.errors import TransportError

# The streams that NATS's MQTT creates, and the sixteenths of the store that each may fill:
# messages, retained messages, sessions, and two of QoS 2, which we do not use.
STREAM_SHARES = {
    "$MQTT_msgs": 12,
    "$MQTT_rmsgs": 1,
    "$MQTT_sess": 1,
    "$MQTT_out": 1,
    "$MQTT_qos2in": 1,
}
ANSWER_S = 10.0  # for all of it; milliseconds are usual (guess)
LEAST_AGE_S = 120  # the streams' window for duplicates; JetStream refuses less


async def bound_queues(host: str, port: int, age_s: int, size_bytes: int) -> None:
    """Limit what a server's MQTT keeps; the limits stay in its store.

    Args:
        host: of the server.
        port: of its own protocol, not MQTT's.
        age_s: how long a message is kept for absent sessions, `LEAST_AGE_S` at least.
        size_bytes: of all streams together.

    Raises:
        TransportError: the server does not answer in its protocol, or refuses.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            await _bound_streams(host, port, age_s, size_bytes)
    except TimeoutError:
        raise TransportError(f"NATS server: no answer for {ANSWER_S:g} s") from None
    except (OSError, EOFError, ValueError, LookupError) as error:
        raise TransportError(f"NATS server: cannot bound its queues: {error}") from error


async def _bound_streams(host: str, port: int, age_s: int, size_bytes: int) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    try:
        await reader.readline()  # INFO
        writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
        present = (await _request(reader, writer, "$JS.API.STREAM.NAMES", b"{}"))["streams"]
        for name, share in STREAM_SHARES.items():
            if not isinstance(present, list) or name not in present:
                continue  # older servers have fewer
            answer = await _request(reader, writer, f"$JS.API.STREAM.INFO.{name}", b"")
            config = msgspec.convert(answer["config"], dict[str, object])
            config["max_bytes"] = size_bytes * share // 16
            if name == "$MQTT_msgs":
                config["max_age"] = max(age_s, LEAST_AGE_S) * 10**9
            body = msgspec.json.encode(config)
            await _request(reader, writer, f"$JS.API.STREAM.UPDATE.{name}", body)
    finally:
        writer.close()


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, subject: str, body: bytes
) -> dict[str, object]:
    """One request and its answer, which comes to a subject of our own."""
    writer.write(b"SUB tastemesh.answer 1\r\nUNSUB 1 1\r\n")
    writer.write(f"PUB {subject} tastemesh.answer {len(body)}\r\n".encode() + body + b"\r\n")
    while True:
        line = await reader.readline()
        if line.startswith(b"MSG "):
            size_bytes = int(line.split()[-1])
            answer = await reader.readexactly(size_bytes + 2)
            found = msgspec.json.decode(answer, type=dict[str, object])
            if "error" in found:
                raise TransportError(f"NATS server refuses {subject}: {found['error']}")
            return found
        if line.startswith(b"PING"):
            writer.write(b"PONG\r\n")
        elif not line or line.startswith(b"-ERR"):
            raise TransportError(f"NATS server refuses {subject}: {line.decode(errors='replace')}")
