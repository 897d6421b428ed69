"""`SimulatedCharger`: a whole charger on a real socket, to be driven by a script, a fleet or a screen.

A script::

    async with SimulatedCharger("ws://127.0.0.1:9000", "ID-JK01-1", clock=StepClock()) as charger:
        assert await charger.boot() == "Accepted"
        await charger.plug_in(1)                       # a car with 20 % arrives
        assert await charger.tap(1, "TAG-1") == "Accepted"
        await charger.pass_time(600)                   # ten simulated minutes; due readings are sent
        await charger.meter()                          # one more reading now
        charger.drop_connection()                      # network cable out: no close frame
        await charger.pass_time(600)                   # charging goes on, messages are queued
        await charger.reconnect()                      # statuses first, then the queue; no boot
        await charger.tap(1, "TAG-1")                  # the same tag ends the session
        await charger.unplug(1)
        session = charger.books.last                   # transaction id, registers, readings

Every verb returns when the platform has answered what the verb caused, or cannot be reached. Verbs never
raise because the network is down, except `connect`, `boot`, `reconnect`, `send_call` and `send_text`, whose
result is the network (`Unreachable`, `IdentityRefused`, `NotDelivered`, `Unanswered`, `CallRefused`).
`autonomous=True` makes the charger connect, boot, beat, measure and reconnect by itself (fleets, screens);
otherwise it answers commands but says nothing without a verb. Retries, time-outs and back-off run on real
time, everything else on the clock given (default: real time).
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

from ocpp.v16 import call

from simulator.answers import VENDOR_ID, Answers
from simulator.books import BookedSession
from simulator.charger import Fault
from simulator.charging_profiles import Profile
from simulator.link import Unreachable
from simulator.presence import FAILURES
from simulator.routine import Routine
from simulator.tags import TagInfo
from simulator.v16 import Handler
from simulator.vehicle import Vehicle

REBOOT = timedelta(seconds=3)
"""Simulated time a restart takes."""


class SimulatedCharger(Routine):
    """One charger. See the module for how to drive it.

    `identity` OCPP identity; `password` Basic password; `spec` the type plate; `registers_wh` lifetime
    meters at the start; `quirks` how it misbehaves (may be replaced at any time); `options` of the
    connection; `configuration` initial values of OCPP keys; `keep_readings` False keeps counts only.
    Attributes for reading: `books`, `charger` (physics), `configuration`, `clock`, `connectors`, `authorizer`
    (with its `local_list`), `reservations`, `profiles`, `firmware`, `reports`, `vault`, `access`, `security`,
    `status(n)`, `boot_status`, `connected`, `problem`, `queued`.
    """

    def handlers(self) -> dict[str, Handler]:
        """Handlers of the platform's calls by action."""
        return Answers(self).handlers()

    # --- the driver -------------------------------------------------------------------------------------

    async def plug_in(self, connector_id: int = 1, vehicle: Vehicle | None = None) -> None:
        """A car is plugged in (default: 50 kWh with 20 %). ValueError if the connector is taken."""
        self.charger.plug_in(connector_id, vehicle or Vehicle.at_soc(20), self.clock.now())
        expected = self._expected.pop(connector_id, None)
        if expected:
            await self._begin(connector_id, expected[0])
        self.reservations.expire(self.clock.now())
        await self.presence.report()

    async def unplug(self, connector_id: int = 1) -> None:
        """The car leaves; a session that still runs ends with EVDisconnected, or waits if so configured."""
        if self.configuration.flag("StopTransactionOnEVSideDisconnect"):
            await self.stop(connector_id, "EVDisconnected")
        self.charger.unplug(connector_id, self.clock.now())
        self.reservations.expire(self.clock.now())
        await self.presence.report()

    async def tap(self, connector_id: int, id_token: str) -> str:
        """A card is held to the reader; returns what the driver sees.

        "Accepted": a session begins (at once, or when the cable is plugged in), or the own session ends;
        "Invalid", "Blocked", "Expired", "ConcurrentTx": as the platform says; "Reserved": for somebody else;
        "OutOfOrder": nobody is served here.
        """
        session = self.sessions.open.get(connector_id)
        if session:
            return await self._tap_off(session, id_token)
        if self.status(connector_id) in {"Faulted", "Unavailable"}:
            return "OutOfOrder"
        status = await self.authorizer.ask(id_token)
        if status != "Accepted":
            return status
        if self.reservations.bars(connector_id, id_token, self.authorizer.parent(id_token)):
            return "Reserved"
        await self._begin_or_expect(connector_id, id_token)
        return "Accepted"

    async def _tap_off(self, session: BookedSession, id_token: str) -> str:
        """The own tag ends a session, and so does one of the same group."""
        if session.id_token != id_token:
            parent = self.authorizer.parent(session.id_token)
            if parent is None or await self.authorizer.ask(id_token) != "Accepted":
                return "Invalid"
            if self.authorizer.parent(id_token) != parent:
                return "Invalid"
        await self.stop(session.connector_id, "Local", id_token)
        return "Accepted"

    async def _begin_or_expect(self, connector_id: int, id_token: str) -> None:
        if self.connectors[connector_id].vehicle:
            await self._begin(connector_id, id_token)
        else:
            now = self.clock.now()
            wait_s = self.configuration.number("ConnectionTimeOut")
            self._expected[connector_id] = (id_token, now + timedelta(seconds=wait_s))
            self.charger.expect(connector_id, now, True)
        await self.presence.report()

    async def _begin(self, connector_id: int, id_token: str) -> None:
        if connector_id in self.sessions.open:
            return
        now = self.clock.now()
        reservation_id = self.reservations.use(connector_id, id_token, self.authorizer.parent(id_token))
        self.sessions.begin(connector_id, id_token, now, reservation_id)
        interval_s = self.configuration.number("MeterValueSampleInterval")
        if interval_s:
            self._sample_due[connector_id] = now + timedelta(seconds=interval_s)
        profile = self._profile_later.pop(connector_id, None)
        if profile and not self.quirks.ignores_limits:
            self.profiles.install(Profile.read(connector_id, profile), now)
        await self._outbox.settled()

    async def stop(self, connector_id: int = 1, cause: str = "Local", id_token: str | None = None) -> None:
        """End the session of a connector, if there is one; `cause` is an OCPP 1.6 Reason."""
        self._sample_due.pop(connector_id, None)
        if self.sessions.end(connector_id, self.clock.now(), cause, id_token) is None:
            return
        self.profiles.session_ended(connector_id, self.clock.now())
        later = self._availability_later.pop(connector_id, None)
        if later is not None:
            self.charger.set_operative(connector_id, self.clock.now(), later)
        await self._outbox.settled()
        await self.presence.report()

    def _started(self, session: BookedSession, info: TagInfo) -> None:
        self.authorizer.learn(session.id_token, info)
        if info.status == "Accepted" or not session.open:
            return
        if self.configuration.flag("StopTransactionOnInvalidId"):
            self.start_task(self.stop(session.connector_id, "DeAuthorized"))
        else:
            self.start_task(self.suspend(session.connector_id, evse=True))

    async def say(self, message_id: str | None = None, data: str | None = None, vendor_id: str = VENDOR_ID) -> str:
        """Send a DataTransfer; returns the status of the answer, "offline" without one."""
        answer = await self.presence.ask(call.DataTransfer(vendor_id, message_id, data))
        return str(answer.status) if answer else "offline"

    async def security_event(self, kind: str, info: str | None = None) -> None:
        """Something that concerns security happened: logged, and told (SecurityEventNotification)."""
        self.security.tell(kind, info)
        await self._outbox.settled()

    async def suspend(self, connector_id: int = 1, *, ev: bool | None = None, evse: bool | None = None) -> None:
        """The car (`ev`) or the charger (`evse`) pauses charging, or resumes it (False)."""
        self.charger.suspend(connector_id, self.clock.now(), ev=ev, evse=evse)
        await self.presence.report()

    # --- misfortunes ------------------------------------------------------------------------------------

    async def raise_fault(
        self,
        connector_id: int = 1,
        code: str = "GroundFailure",
        info: str | None = None,
        vendor_code: str | None = None,
    ) -> None:
        """A fault (OCPP 1.6 ChargePointErrorCode) on a connector, whose session ends; 0 is the unit alone."""
        now = self.clock.now()
        self.charger.set_fault(connector_id, now, Fault(code, info, vendor_code))
        self.reservations.expire(now)
        if self._expected.pop(connector_id, None):
            self.charger.expect(connector_id, now, False)
        await self.presence.report()
        await self.stop(connector_id, "Other")

    async def clear_fault(self, connector_id: int = 1) -> None:
        """The fault is gone."""
        self.charger.set_fault(connector_id, self.clock.now(), None)
        await self.presence.report()

    def jam_lock(self, connector_id: int = 1, jammed: bool = True) -> None:
        """The lock of the plug sticks: UnlockConnector fails."""
        self.connectors[connector_id].lock_jammed = jammed

    def power_off(self, cause: str = "PowerLoss") -> None:
        """The mains fail: connection and sessions die; their StopTransaction waits for the next boot."""
        for connector_id in list(self.sessions.open):
            self._sample_due.pop(connector_id, None)
            self.sessions.end(connector_id, self.clock.now(), cause)
        self.charger.set_power(self.clock.now(), False)
        self._outbox.close()
        self._link.drop()
        self.presence.forget_boot()

    async def power_on(self) -> None:
        """The mains return: boot, statuses, then the waiting messages. Raises Unreachable unless
        autonomous.
        """
        self.charger.set_power(self.clock.now(), True)
        self.presence.nudge()
        if not self._autonomous and self.presence.cable_in:
            await self.presence.come_back()
            await self._outbox.settled()

    async def reboot(self, kind: str = "Soft") -> None:
        """Restart: "Soft" ends sessions first and tells it; "Hard" tells it after the boot."""
        if kind == "Soft":
            for connector_id in list(self.sessions.open):
                await self.stop(connector_id, "SoftReset")
        self.power_off("HardReset")
        await self.clock.sleep_until(self.clock.now() + REBOOT)
        await self.power_on()

    # --- what the platform asks (see simulator.answers) -------------------------------------------------

    def session_by_transaction(self, transaction_id: int) -> BookedSession | None:
        """The open session with this transaction id."""
        return self.sessions.by_transaction(transaction_id)

    def has_session(self, connector_id: int) -> bool:
        """Whether a session is open on the connector."""
        return connector_id in self.sessions.open

    async def come_in_anew(self) -> None:
        """Hang up and connect again with the present credentials; twice, if the first are refused."""
        await self._link.close()
        self.presence.nudge()
        if self._autonomous:
            return
        for _time in range(2):
            with contextlib.suppress(Unreachable, *FAILURES):
                await self.presence.come_back()
                break
        await self._outbox.settled()

    async def report(self) -> None:
        """Tell the platform every status that it was not yet told."""
        await self.presence.report()

    def schedule_availability(self, connector_id: int, operative: bool) -> None:
        """Change availability when the running session ends."""
        self._availability_later[connector_id] = operative

    async def set_availability(self, connector_id: int, operative: bool) -> None:
        """Change availability now and report it."""
        now = self.clock.now()
        self.charger.set_operative(connector_id, now, operative)
        self.reservations.expire(now)
        await self.presence.report()

    async def start_remotely(
        self, connector_id: int, id_token: str, charging_profile: dict[str, Any] | None = None
    ) -> None:
        """Start a session for a remote request, or wait for the cable; its profile comes with it."""
        asks = self.configuration.flag("AuthorizeRemoteTxRequests")
        if asks and await self.authorizer.ask(id_token) != "Accepted":
            return
        self._profile_later.pop(connector_id, None)
        if charging_profile:
            self._profile_later[connector_id] = charging_profile
        await self._begin_or_expect(connector_id, id_token)

    async def trigger(self, message: str, connector_id: int | None) -> None:
        """Send the message of Core that the platform asked for."""
        if message == "BootNotification":
            await self.presence.boot()
        elif message == "Heartbeat":
            await self.presence.heartbeat()
        elif message == "MeterValues":
            for number in self.connectors if connector_id is None else [connector_id]:
                await self.meter(number, "Trigger")
        else:
            for number in [0, *self.connectors] if connector_id is None else [connector_id]:
                await self.presence.report_one(number)

    async def request_certificate(self) -> None:
        """Ask the platform to sign a certificate for a new key (SignCertificate)."""
        await self.presence.ask(call.SignCertificate(self.vault.request()))
