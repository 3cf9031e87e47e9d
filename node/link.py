"""One broker, for ever: connect, subscribe, publish, lose the connection, wait, begin again.

The MQTT is aiomqtt's, and paho-mqtt's below it. What they leave to us, or do otherwise than a node
needs, measured with aiomqtt 2.5.1 and paho-mqtt 2.2.0:

- There is no reconnection and no resubscription. `Link.run` does both, with a fresh client for each
  attempt, so that nothing of paho's own resend queue survives and no payload is sent twice by two
  mechanisms.
- A refused subscription is returned and not raised. We check every reason code.
- A topic that is not UTF-8 raises inside aiomqtt's callback: the connection breaks *before* the
  acknowledgement, so a broker that passes such a topic on delivers it again after each
  reconnection. Our callback is set on paho itself, and never raises.
- A connection that failed half-way leaves its socket and a task behind. `_close` ends them.
- A cancelled connection attempt goes on in its thread. `_enter` waits for it (paho's limit is 5 s).
- aiomqtt's own timeouts are `asyncio.wait_for`, which before Python 3.12 loses a cancellation that
  arrives together with the answer: a session then never ends. We give it none (`math.inf`) and set
  deadlines with `asyncio.timeout`.
- Both acknowledge a message before the application has seen it. We switch that off in paho, and do
  it when the node says so (`acknowledge`).
- aiomqtt has the event loop watch a socket that was closed since it asked for that, which ends in a
  trace in the log, or would watch whatever has its number by then. `_write_while_open` looks first.
- paho heeds no broker's receive maximum. We read it off the CONNACK.
- `publish` with QoS 0 can return without ever giving way to the event loop. We use QoS 1 only, and
  wait for the acknowledgement in a task per payload, a window of them at a time.
"""

import asyncio
import logging
import math
import ssl
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

import aiomqtt
import numpy as np
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTTMessage
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tastemesh.errors import ConfigError, TransportError
from tastemesh.node.address import BrokerAddress, TlsFiles
from tastemesh.node.inbox import Inbox
from tastemesh.node.mqtt_settings import MqttSettings
from tastemesh.node.outbox import Outbox, Parcel
from tastemesh.node.transport import Connected, Disconnected, Message

# How long a clean goodbye may take before the socket is closed under it (guess).
GOODBYE_S = 2.0
# A little more than the 5 s that paho gives a TCP connection.
ABANDON_S = 6.0
# Filters in one SUBSCRIBE. NATS works them off one by one, each QoS 1 filter for the price of a
# queue, and refuses what is not done in 5 s: on a busy machine the last of 150 (measured, 2.15.1).
_FILTERS_AT_ONCE = 8
# How far back a session that was lost is told of, seconds, and how many are counted at most: with
# the longest waits some forty come in that time (guess).
LATELY_S = 600.0
_LOSSES_COUNTED = 256
# First reason code that means refusal, in SUBACK of 3.1.1 and of 5 alike (3.1.1 section 3.9.3).
REFUSED_CODE = 0x80
# What paho makes of a connection that is closed without a word ("Unspecified error").
_HUNG_UP_CODE = 0x80

# What paho and aiomqtt let out. OSError: sockets, TLS and timeouts. ValueError, UnicodeError too:
# host names that no resolver takes. RuntimeError: paho on a packet that it cannot parse.
_FAILURES = (aiomqtt.MqttError, TransportError, OSError, ValueError, RuntimeError)

_LOGGER = logging.getLogger(__name__)
# paho logs each packet at DEBUG; nobody who turns our own logs up wants that.
_PAHO_LOGGER = logging.getLogger("tastemesh.node.link.paho")
_PAHO_LOGGER.setLevel(logging.ERROR)


class Link:
    """The connection to one broker. `run` it in a task; the rest never waits.

    Args:
        address: the broker.
        client_id: as `MqttTransport` has it.
        settings: bounds and times.
        tls: for `mqtts://`, else None. Read for each connection: certificates are renewed.
        inbox: where events go.
        rng: jitter of the backoff, so that a restarted broker is not met by all clients at once.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        settings: MqttSettings,
        tls: TlsFiles | None,
        inbox: Inbox,
        rng: np.random.Generator,
    ) -> None:
        self.name = address.name
        self.outbox = Outbox(settings.outbox_message_count, settings.outbox_bytes)
        self.connected = False
        self.reason = "not connected yet"
        self.connection_count = 0
        self._lost_at_s: deque[float] = deque(maxlen=_LOSSES_COUNTED)
        self._last_loss = ""
        self._address = address
        self._client_id = client_id
        self._settings = settings
        self._tls = tls
        self._inbox = inbox
        self._rng = rng
        self._filters: dict[str, int] = {}
        self._filters_changed = asyncio.Event()
        self._stopping = False
        self._client: PahoClient | None = None
        self._window_count = settings.window_count
        self._receipt_count = 0
        self._unacknowledged: dict[int, int] = {}  # packet ids of this session by receipt
        self._expiring: Properties | None = None
        if settings.protocol == "5":
            self._expiring = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            self._expiring.MessageExpiryInterval = settings.message_expiry_s

    def acknowledge(self, receipt: int) -> None:
        """Tell the broker that it need not send that again; nothing if that session is over."""
        packet_id = self._unacknowledged.pop(receipt, None)
        if packet_id is not None and self._client is not None:
            self._client.ack(packet_id, qos=1)

    def want(self, filters: dict[str, int]) -> None:
        """Have exactly these filters subscribed, each with its QoS, now or once connected."""
        self._filters = filters
        self._filters_changed.set()

    def stop(self) -> None:
        """Make the next end of a session the last; then cancel the task of `run`."""
        self._stopping = True

    def losses(self) -> tuple[int, str]:
        """Return how many sessions were lost lately, and why the last of these was."""
        since_s = asyncio.get_running_loop().time() - LATELY_S
        while self._lost_at_s and self._lost_at_s[0] < since_s:
            self._lost_at_s.popleft()
        return len(self._lost_at_s), self._last_loss if self._lost_at_s else ""

    async def run(self) -> None:
        """Keep the connection up until cancelled.

        The wait before attempt n is uniform in [0, min(cap, base * 2^n]) ("full jitter": Brooker,
        Exponential Backoff And Jitter, 2015). n starts again at 0 after a session that outlived
        the cap, so a broker that accepts and hangs up is not hammered.
        """
        loop = asyncio.get_running_loop()
        cap_s = self._settings.backoff_cap_s
        attempt = 0
        while not self._stopping:
            started_s, count_before = loop.time(), self.connection_count
            try:
                await self._hold_session()
            except TransportError as error:
                self.reason = str(error)
            except Exception as error:
                # Outermost loop: a defect of ours in one session must not end the link for good.
                _LOGGER.exception("unexpected error in the session with %s", self._address)
                self.reason = f"{self._address}: unexpected {type(error).__name__}: {error}"
            finally:
                self.connected = False
            if self._stopping:  # the cancellation met an error on its way and was lost in a group
                return
            if self.connection_count > count_before:
                self._lost_at_s.append(loop.time())
                self._last_loss = self.reason
            self._inbox.put_state(Disconnected(self.name, self.reason))
            if loop.time() - started_s > cap_s:
                attempt = 0
            ceiling_s = min(cap_s, self._settings.backoff_base_s * 2**attempt)
            attempt = min(attempt + 1, 30)
            await asyncio.sleep(float(self._rng.uniform(0.0, ceiling_s)))

    async def _hold_session(self) -> None:
        """One session, from CONNECT to its end, which is always an exception."""
        try:
            tls = await asyncio.to_thread(self._tls.context) if self._tls else None
            client = self._new_client(tls)
        except (ConfigError, *_FAILURES) as error:
            raise TransportError(f"{self._address}: {error}") from error
        # Private, here and in `_close`: aiomqtt has no public way to the callback and the socket.
        paho = self._client = client._client
        first_end = client._disconnected
        paho.on_message = self._on_message
        paho.manual_ack_set(True)
        self._heed_receive_maximum(paho)
        _write_while_open(client, paho)
        try:
            await self._enter(client, paho)
            if first_end.done():  # aiomqtt waits for another one, where it ended while it connected
                raise first_end.exception() or TransportError("the connection was closed")
            async with asyncio.TaskGroup() as tasks:
                for name, work in (
                    ("watch", self._watch(client)),
                    ("subscribe", self._follow_filters(client)),
                    ("publish", self._send(client, tasks)),
                    ("acknowledgements", self._watch_acknowledgements()),
                ):
                    tasks.create_task(work, name=f"tastemesh-mqtt-{name} {self.name}")
        except _FAILURES as error:
            raise TransportError(
                f"{self._address}: cannot connect: {_first_cause(error)}"
            ) from error
        except ExceptionGroup as group:
            _, unexpected = group.split(_FAILURES)
            if unexpected is not None:
                raise
            raise TransportError(f"{self._address}: {_first_cause(group)}") from group
        finally:
            self.outbox.requeue()
            self._client = None
            self._unacknowledged.clear()
            _look_at(first_end)
            await self._close(client, paho)

    def _new_client(self, tls: ssl.SSLContext | None) -> aiomqtt.Client:
        settings = self._settings
        newer = settings.protocol == "5"
        properties = None
        if newer:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = settings.session_expiry_s
            properties.ReceiveMaximum = settings.receive_count
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            identifier=self._client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if newer else aiomqtt.ProtocolVersion.V311,
            clean_session=None if newer else False,
            clean_start=False if newer else MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties,
            keepalive=settings.keepalive_s,
            timeout=settings.answer_s,
            max_inflight_messages=settings.window_count,
            tls_context=tls,
            logger=_PAHO_LOGGER,
        )
        # aiomqtt counts its own pending calls with a list per call, and warns past 10.
        client.pending_calls_threshold = settings.window_count + 2
        return client

    def _heed_receive_maximum(self, paho: PahoClient) -> None:
        """Learn from an MQTT 5 CONNACK how many payloads the broker takes in flight."""
        self._window_count = self._settings.window_count
        told: Any = paho.on_connect  # aiomqtt's, which does not look at the properties

        def on_connect(
            client: PahoClient, userdata: Any, flags: Any, reason: Any, properties: Any = None
        ) -> None:
            most = getattr(properties, "ReceiveMaximum", None)  # absent: 65,535
            if most:
                self._window_count = min(self._window_count, most)
            told(client, userdata, flags, reason, properties)

        paho.on_connect = on_connect

    async def _enter(self, client: aiomqtt.Client, paho: PahoClient) -> None:
        """Connect; when cancelled, wait for paho's thread, which cannot be cancelled."""
        entering = asyncio.create_task(
            client.__aenter__(), name=f"tastemesh-mqtt-connect {self.name}"
        )
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            if paho.socket() is None:
                await asyncio.wait({entering}, timeout=ABANDON_S)
            entering.cancel()
            await asyncio.wait({entering})
            if not entering.cancelled():
                entering.exception()  # it is of no interest any more
            raise

    async def _close(self, client: aiomqtt.Client, paho: PahoClient) -> None:
        """Say goodbye where somebody listens, then make sure that socket and tasks are gone."""
        if paho.is_connected():
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await client.__aexit__(None, None, None)
            except _FAILURES:
                pass  # the socket is closed below all the same
        paho._sock_close()
        _look_at(client._disconnected)
        await asyncio.sleep(0)  # aiomqtt's keep-alive task, cancelled by the close, ends now

    async def _watch(self, client: aiomqtt.Client) -> None:
        """Raise when the connection ends. No message ever comes this way: see `_on_message`."""
        async for _ in client.messages:
            pass

    async def _follow_filters(self, client: aiomqtt.Client) -> None:
        """Subscribe to what is wanted, now and whenever that changes."""
        granted: dict[str, int] = {}
        while True:
            self._filters_changed.clear()
            wanted = self._filters
            added = [(name, qos) for name, qos in wanted.items() if granted.get(name) != qos]
            removed = [name for name in granted if name not in wanted]
            for at in range(0, len(added), _FILTERS_AT_ONCE):
                await self._in_time(self._subscribe(client, added[at : at + _FILTERS_AT_ONCE]))
            if removed:
                await self._in_time(client.unsubscribe(removed, timeout=math.inf))
            granted = wanted
            if not self.connected:
                self.connected = True
                self.reason = ""
                self.connection_count += 1
                self._inbox.put_state(Connected(self.name))
            await self._filters_changed.wait()

    async def _in_time(self, asking: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self._settings.answer_s):
                await asking
        except TimeoutError:
            raise TransportError(
                f"no answer to a subscription for {self._settings.answer_s:g} s"
            ) from None

    async def _subscribe(self, client: aiomqtt.Client, filters: list[tuple[str, int]]) -> None:
        if self._settings.protocol == "5":
            # No Local: our own payloads need not come back.
            options = [(name, SubscribeOptions(qos=qos, noLocal=True)) for name, qos in filters]
            codes = await client.subscribe(options, timeout=math.inf)
        else:
            codes = await client.subscribe(filters, timeout=math.inf)
        refused = _refused([name for name, _ in filters], codes)
        if refused:
            raise TransportError(f"subscription refused: {', '.join(refused)}")

    async def _send(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        """Publish the outbox in order, a window of payloads in flight at most."""
        window = asyncio.Semaphore(self._window_count)
        name = f"tastemesh-mqtt-payload {self.name}"
        while True:
            await window.acquire()
            parcel = await self.outbox.take()
            tasks.create_task(self._publish(client, parcel, window), name=name)

    async def _publish(
        self, client: aiomqtt.Client, parcel: Parcel, window: asyncio.Semaphore
    ) -> None:
        # No timeout here: it would cost a task per payload; `_watch_acknowledgements` has it.
        await client.publish(
            parcel.topic, parcel.payload, qos=1, timeout=math.inf, properties=self._expiring
        )
        self.outbox.acknowledge(parcel)
        window.release()

    async def _watch_acknowledgements(self) -> None:
        """Raise when a payload stays unacknowledged through a whole period: begin a new session."""
        while True:
            oldest = self.outbox.oldest_in_flight()
            await asyncio.sleep(self._settings.acknowledgement_s)
            if oldest is not None and self.outbox.oldest_in_flight() is oldest:
                raise TransportError(
                    f"no acknowledgement for {self._settings.acknowledgement_s:g} s"
                )

    def _on_message(self, client: PahoClient, userdata: object, message: MQTTMessage) -> None:
        """Enqueue; an exception here would end the connection, whatever came."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = None
        if topic is None or len(message.payload) > self._settings.payload_bytes:
            self._inbox.put_dropped(self.name)
            client.ack(message.mid, message.qos)
            return
        receipt = 0
        if message.qos:
            self._receipt_count += 1
            receipt = self._receipt_count
            self._unacknowledged[receipt] = message.mid
        self._inbox.put_message(Message(self.name, topic, bytes(message.payload), receipt))


def _refused(filters: list[str], codes: Iterable[int | ReasonCode]) -> list[str]:
    """The filters whose reason code says no, each with the code."""
    values = (code.value if isinstance(code, ReasonCode) else code for code in codes)
    return [
        f"{name!r} (code {value:#04x})"
        for name, value in zip(filters, values, strict=False)
        if value >= REFUSED_CODE
    ]


def _first_cause(group: BaseException) -> str:
    """The text of what went wrong first, below groups and aiomqtt's wrapping."""
    error = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    cause = error.__cause__ or error
    if isinstance(cause, aiomqtt.MqttCodeError) and getattr(cause.rc, "value", 0) == _HUNG_UP_CODE:
        return (
            "the broker closed the connection: it stops, or another client comes under this node's "
            "name (one broker configured by two names? a copy of this home?)"
        )
    return str(cause) or type(error).__name__


def _write_while_open(client: aiomqtt.Client, paho: PahoClient) -> None:
    """Write when the socket can take it, unless it was closed before the event loop came to it."""
    loop = asyncio.get_running_loop()

    def write() -> None:
        try:
            paho.loop_write()
        except Exception as error:  # the connection broke
            if not client._disconnected.done():
                client._disconnected.set_exception(error)

    def begin(sock: Any) -> None:
        if sock.fileno() >= 0:
            loop.add_writer(sock.fileno(), write)

    def on_register(_client: PahoClient, _userdata: Any, sock: Any) -> None:
        loop.call_soon_threadsafe(begin, sock)  # the first time from paho's thread

    paho.on_socket_register_write = on_register


def _look_at(ended: asyncio.Future[None]) -> None:
    """Take an end's reason, or asyncio logs that nobody did, where another task failed first."""
    if ended.done() and not ended.cancelled():
        ended.exception()
