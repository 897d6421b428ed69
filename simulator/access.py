"""How a charger gets in: address, password and certificate by its security profile (whitepaper §2), and its trial
of new ones.
"""

from __future__ import annotations

import base64
import ssl
from urllib.parse import quote

from simulator.configuration import Configuration
from simulator.security import SecurityLog
from simulator.vault import CENTRAL, Vault

UNSECURED, BASIC, TLS_BASIC, MUTUAL_TLS = range(4)


class Access:
    """The credentials of one charger, as the present `SecurityProfile` uses them.

    0: nothing, 1: Basic password, 2: TLS and Basic password, 3: TLS with the charger's own certificate. A profile
    that was ordered is on trial until a connection with it stands; if it does not, the old one returns.
    """

    def __init__(
        self, identity: str, url: str, secure_url: str | None, configuration: Configuration, vault: Vault
    ) -> None:
        self.identity, self.vault = identity, vault
        self._configuration = configuration
        self._plain = url
        self._secure = secure_url or url.replace("ws://", "wss://", 1)
        self.password: str | bytes | None = None
        self._fallback: int | None = None
        self._untrusted = False

    @property
    def profile(self) -> int:
        """The security profile in use."""
        return self._configuration.number("SecurityProfile")

    @property
    def address(self) -> str:
        """The whole URL of the next connection."""
        base = self._secure if self.profile >= TLS_BASIC else self._plain
        return f"{base.rstrip('/')}/{quote(self.identity, safe='')}"

    def begin(self, password: str | bytes | None) -> None:
        """The installer's choice: what the given address, password and certificate amount to."""
        self.password = password
        if self.profile != UNSECURED:
            return
        if self._plain.startswith("wss://"):
            self._configuration.set("SecurityProfile", TLS_BASIC if password is not None else MUTUAL_TLS)
        elif password is not None:
            self._configuration.set("SecurityProfile", BASIC)

    def headers(self) -> dict[str, str]:
        """The Authorization header: whenever there is a password, but never beside the own certificate."""
        if self.password is None or self.profile == MUTUAL_TLS:
            return {}
        secret = self.password.encode() if isinstance(self.password, str) else self.password
        token = base64.b64encode(self.identity.encode() + b":" + secret).decode()
        return {"Authorization": f"Basic {token}"}

    def context(self) -> ssl.SSLContext | None:
        """TLS of the next connection, None without."""
        return self.vault.ssl_context() if self.address.startswith("wss://") else None

    def change_password(self, value: str) -> None:
        """Use another Basic password from the next connection on; hex digits are decoded to bytes."""
        try:
            self.password = bytes.fromhex(value)
        except ValueError:
            self.password = value

    def change_profile(self, value: str) -> str:
        """ChangeConfiguration of SecurityProfile: only upwards, and only with what the profile needs (A05)."""
        if value not in {"1", "2", "3"} or int(value) <= self.profile:
            return "Rejected"
        wanted, before = int(value), self.profile
        if not self._equipped(wanted):
            return "Rejected"
        self._fallback = before
        self._configuration.set("SecurityProfile", wanted)
        return "Accepted"

    def _equipped(self, profile: int) -> bool:
        trusts = bool(self.vault.roots.get(CENTRAL)) or self.vault.ca_file is not None
        return {
            BASIC: self.password is not None,
            TLS_BASIC: trusts and self.password is not None,
            MUTUAL_TLS: trusts and self.vault.key is not None,
        }[profile]

    def worked(self) -> None:
        """A connection stands: what was on trial stays."""
        self._fallback, self._untrusted = None, False

    def failed(self, error: Exception, log: SecurityLog) -> None:
        """No connection: back to the profile that worked; a server that cannot be believed is an event."""
        if self._fallback is not None:
            self._configuration.set("SecurityProfile", self._fallback)
            self._fallback = None
        if isinstance(error.__cause__, ssl.SSLCertVerificationError) and not self._untrusted:
            self._untrusted = True
            log.tell("InvalidCentralSystemCertificate", str(error.__cause__.verify_message))
