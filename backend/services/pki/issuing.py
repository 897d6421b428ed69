"""The worker's part: sign what chargers request, read what they were given, renew what runs out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from backend.database import SYSTEM, Database
from backend.services.pki import signing
from backend.services.pki.authority import Authority, AuthoritySealed
from backend.services.pki.signing import Unfit

SIGNED_A_DAY: Final = 20
RENEW_BEFORE_DAYS: Final = 30
PROFILE_WITHIN_S: Final = 15 * 60


class Issuing:
    """Reactions to events, and a duty of the clock; each may run any number of times."""

    def __init__(self, database: Database, authority: Authority, now: Callable[[], datetime]) -> None:
        self._database = database
        self._authority = authority
        self._now = now

    async def answer_requests(self, events: list[dict[str, Any]]) -> None:
        """`certificate.requested`: {request_id}. Signs, or refuses with a reason that people can read."""
        for event in events:
            request = await self._call("certificate_request", p_request_id=event["request_id"])
            if request is not None:
                await self._answer(request)

    async def keep_installed(self, events: list[dict[str, Any]]) -> None:
        """`certificate.installed`: {command_id} of an accepted InstallCertificate."""
        for event in events:
            rows = await self._database.select(
                "commands",
                scope=SYSTEM,
                columns="charger_id,payload",
                where=[("id", "eq", event["command_id"])],
                limit=1,
            )
            for row in rows:
                await self._keep(row["charger_id"], row["payload"], event["command_id"])

    async def keep_watch(self) -> int:
        """Asks for renewals, ends the wait for profiles that did not come; returns how many things it did."""
        done: int = await self._call("keep_security", p_renewal_days=RENEW_BEFORE_DAYS, p_profile_s=PROFILE_WITHIN_S)
        return done

    async def _answer(self, request: dict[str, Any]) -> None:
        try:
            if not request["proven"]:
                raise Unfit("The charger has not proven who it is: give it a password first.")
            if request["signed_today"] >= SIGNED_A_DAY:
                raise Unfit("Too many certificates were signed for this charger today.")
            wanted = signing.read_request(request["csr"], request["charger_id"], request["organization"])
            issuer = await self._authority.issuing()
        except (Unfit, AuthoritySealed) as reason:  # other events must not wait for these
            await self._call("refuse_certificate", p_request_id=request["id"], p_reason=str(reason))
            return
        signed = signing.sign_charger(issuer, wanted, request["charger_id"], request["organization"], self._now())
        await self._call(
            "issue_certificate",
            p_request_id=request["id"],
            p_certificate=signing.describe("ChargePointCertificate", signed, issuer.certificate),
            p_chain=signing.pem_of(signed) + issuer.pem,
        )

    async def _keep(self, charger_id: str, payload: dict[str, Any], command_id: str) -> None:
        try:
            certificate = x509.load_pem_x509_certificate(str(payload.get("certificate")).encode())
            described = signing.describe(str(payload.get("certificateType")), certificate)
        except (ValueError, UnsupportedAlgorithm):  # the charger took what we cannot read; its list will tell of it
            return
        await self._call(
            "keep_certificate",
            p_charger_id=charger_id,
            p_certificate=described,
            p_state="installed",
            p_command_id=command_id,
        )

    async def _call(self, function: str, **arguments: Any) -> Any:
        return await self._database.call(function, arguments, scope=SYSTEM)
