"""The security extension (whitepaper edition 3): certificates, logs, signed firmware, extended trigger."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result

from simulator.answers.device import Device
from simulator.answers.trigger import CORE, knows
from simulator.firmware import Update
from simulator.host import Errand
from simulator.reports import Order
from simulator.tags import read_time
from simulator.v16 import Answer, Effect, Handler
from simulator.vault import CENTRAL, Untrusted


class SecurityAnswers:
    """Handlers of the extension."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def table(self) -> dict[str, Handler]:
        """OCPP action → handler."""
        return {
            "CertificateSigned": self.certificate_signed,
            "DeleteCertificate": self.delete,
            "ExtendedTriggerMessage": self.trigger,
            "GetInstalledCertificateIds": self.installed,
            "GetLog": self.log,
            "InstallCertificate": self.install,
            "SignedUpdateFirmware": self.update,
        }

    def certificate_signed(self, certificate_chain: str) -> Answer:
        """A02: a chain that is not believed is rejected, and an event; a good one is used from now on."""
        device = self._device
        try:
            device.vault.accept(certificate_chain)
        except Untrusted as error:
            reason = str(error)
            return Answer(
                call_result.CertificateSigned("Rejected"), self._event("InvalidChargePointCertificate", reason)
            )
        anew = device.come_in_anew if device.access.profile == 3 else None
        return Answer(call_result.CertificateSigned("Accepted"), anew)

    def install(self, certificate_type: str, certificate: str) -> Answer:
        """M05: what is no valid root is rejected, and an event."""
        device = self._device
        status = device.vault.install(certificate_type, certificate)
        kind = "InvalidCentralSystemCertificate" if certificate_type == CENTRAL else "InvalidFirmwareSigningCertificate"
        effect = None if status == "Accepted" else self._event(kind, f"{certificate_type} was rejected")
        return Answer(call_result.InstallCertificate(status), effect)

    def _event(self, kind: str, info: str) -> Effect:
        async def tell() -> None:
            self._device.security.tell(kind, info)

        return tell

    def installed(self, certificate_type: str) -> Answer:
        """M03."""
        rows = self._device.vault.installed(certificate_type)
        return Answer(call_result.GetInstalledCertificateIds("Accepted" if rows else "NotFound", rows or None))

    def delete(self, certificate_hash_data: dict[str, str]) -> Answer:
        """M04."""
        return Answer(call_result.DeleteCertificate(self._device.vault.delete(certificate_hash_data)))

    def trigger(self, requested_message: str, connector_id: int | None = None) -> Answer:
        """ExtendedTriggerMessage: all of TriggerMessage but diagnostics, and the extension's own."""
        if not knows(self._device, connector_id):
            return Answer(call_result.ExtendedTriggerMessage("Rejected"))
        effect = self._triggered(requested_message, connector_id)
        return Answer(call_result.ExtendedTriggerMessage("Accepted" if effect else "NotImplemented"), effect)

    def _triggered(self, message: str, connector_id: int | None) -> Effect | None:
        device = self._device
        if message in CORE:
            return lambda: device.trigger(message, connector_id)
        own: dict[str, Effect] = {
            "SignChargePointCertificate": device.request_certificate,
            "FirmwareStatusNotification": lambda: device.firmware.trigger(signed=True),
            "LogStatusNotification": lambda: device.reports.trigger(log=True),
        }
        return own.get(message)

    def log(
        self,
        log: dict[str, Any],
        log_type: str,
        request_id: int,
        retries: int | None = None,
        retry_interval: int | None = None,
    ) -> Answer:
        """N01: a log under way is given up for a newer one."""
        reports = self._device.reports
        order = Order(
            Errand(log["remote_location"], retries or 0, retry_interval or 0, request_id),
            log_type,
            _time(log.get("oldest_timestamp")),
            _time(log.get("latest_timestamp")),
        )
        name = reports.file_name(order)
        busy = reports.current is not None and reports.current.kind is not None
        status = "AcceptedCanceled" if busy else "Accepted"
        return Answer(call_result.GetLog(status, name), lambda: reports.deliver(order, name))

    def update(
        self,
        request_id: int,
        firmware: dict[str, Any],
        retries: int | None = None,
        retry_interval: int | None = None,
    ) -> Answer:
        """L01: a signing certificate that is not believed is refused before anything is fetched, and an event."""
        device = self._device
        try:
            device.vault.check_signer(firmware["signing_certificate"])
        except Untrusted as error:
            event = self._event("InvalidFirmwareSigningCertificate", str(error))
            return Answer(call_result.SignedUpdateFirmware("InvalidCertificate"), event)
        order = Update(
            Errand(firmware["location"], retries or 0, retry_interval or 0, request_id),
            read_time(firmware["retrieve_date_time"]),
            _time(firmware.get("install_date_time")),
            firmware["signing_certificate"],
            firmware["signature"],
        )
        status = "AcceptedCanceled" if device.firmware.current else "Accepted"
        return Answer(call_result.SignedUpdateFirmware(status), lambda: device.firmware.update(order))


def _time(text: str | None) -> Any:
    return read_time(text) if text else None
