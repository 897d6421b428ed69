"""The configuration keys of an OCPP 1.6 charger (1.6 §9), as a table, and the store that holds their
values.
"""

from __future__ import annotations

from dataclasses import dataclass

MEASURANDS = frozenset(
    {
        "Energy.Active.Import.Register",
        "Power.Active.Import",
        "Current.Import",
        "Voltage",
        "SoC",
        "Temperature",
    }
)


ALL_PROFILES = "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger,Security"
"""Core, the optional profiles of 1.6, and the security extension (whose name is ours: the standard gives none)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `kind` is int, bool, text, measurands or secret; write-only keys are never shown."""

    default: str
    kind: str = "int"
    readonly: bool = False
    needs_reboot: bool = False
    write_only: bool = False


KEYS: dict[str, Key] = {
    "AdditionalRootCertificateCheck": Key("false", "bool", readonly=True),
    "AllowOfflineTxForUnknownId": Key("true", "bool"),
    "AuthorizationCacheEnabled": Key("true", "bool"),
    "AuthorizationKey": Key("", "secret", write_only=True),
    "AuthorizeRemoteTxRequests": Key("false", "bool"),
    "CertificateSignedMaxChainSize": Key("10000", readonly=True),
    "CertificateStoreMaxLength": Key("8", readonly=True),
    "ChargeProfileMaxStackLevel": Key("8", readonly=True),
    "ChargingScheduleAllowedChargingRateUnit": Key("Current,Power", "text", readonly=True),
    "ChargingScheduleMaxPeriods": Key("24", readonly=True),
    "ClockAlignedDataInterval": Key("0"),
    "ConnectionTimeOut": Key("60"),
    "ConnectorPhaseRotation": Key("NotApplicable", "text"),
    "ConnectorSwitch3to1PhaseSupported": Key("false", "bool", readonly=True),
    "CpoName": Key("", "text"),
    "GetConfigurationMaxKeys": Key("100", readonly=True),
    "HeartbeatInterval": Key("300"),
    "LocalAuthListEnabled": Key("true", "bool"),
    "LocalAuthListMaxLength": Key("500", readonly=True),
    "LocalAuthorizeOffline": Key("true", "bool"),
    "LocalPreAuthorize": Key("false", "bool"),
    "MaxChargingProfilesInstalled": Key("24", readonly=True),
    "MeterValuesAlignedData": Key("Energy.Active.Import.Register", "measurands"),
    "MeterValuesSampledData": Key(
        "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC,Temperature",
        "measurands",
    ),
    "MeterValueSampleInterval": Key("60"),
    "MinimumStatusDuration": Key("0"),
    "NumberOfConnectors": Key("1", readonly=True),
    "ReserveConnectorZeroSupported": Key("true", "bool", readonly=True),
    "ResetRetries": Key("1"),
    "SecurityProfile": Key("0"),
    "SendLocalListMaxLength": Key("100", readonly=True),
    "StopTransactionOnEVSideDisconnect": Key("true", "bool"),
    "StopTransactionOnInvalidId": Key("true", "bool"),
    "StopTxnAlignedData": Key("", "measurands"),
    "StopTxnSampledData": Key("", "measurands"),
    "SupportedFeatureProfiles": Key(ALL_PROFILES, "text", readonly=True),
    "TransactionMessageAttempts": Key("5"),
    "TransactionMessageRetryInterval": Key("10"),
    "UnlockConnectorOnEVSideDisconnect": Key("true", "bool"),
    "WebSocketPingInterval": Key("60", needs_reboot=True),
}
"""The keys this charger knows: OCPP 1.6 §9 and the security whitepaper §2.2."""


class Configuration:
    """Values of the keys, as text like on the wire; `changes` are made through OCPP rules."""

    def __init__(self, **initial: str | int) -> None:
        self._values = {name: key.default for name, key in KEYS.items()}
        for name, value in initial.items():
            if name not in KEYS:
                raise KeyError(name)
            self._values[name] = str(value)

    def text(self, name: str) -> str:
        """Value of a known key."""
        return self._values[name]

    def number(self, name: str) -> int:
        """Value of a known key as an integer."""
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        """Value of a known key as a boolean."""
        return self._values[name].lower() == "true"

    def names(self, name: str) -> set[str]:
        """Value of a known key that is a list of names."""
        return {part.strip() for part in self._values[name].split(",") if part.strip()}

    def set(self, name: str, value: str | int) -> None:
        """Set by the charger itself (a boot answer, an installer): no rule applies."""
        self._values[name] = str(value)

    def change(self, name: str, value: str) -> str:
        """ChangeConfiguration: returns Accepted, RebootRequired, Rejected or NotSupported (1.6 §5.3)."""
        key = KEYS.get(name)
        if key is None:
            return "NotSupported"
        if key.readonly or not _fits(key, value):
            return "Rejected"
        self._values[name] = value
        return "RebootRequired" if key.needs_reboot else "Accepted"

    def show(self, names: list[str] | None) -> tuple[list[dict[str, object]], list[str]]:
        """GetConfiguration: the known keys asked for (all when none are named), and the unknown names."""
        wanted = names or list(KEYS)
        known = [self._row(name) for name in wanted if name in KEYS]
        return known, [name for name in wanted if name not in KEYS]

    def _row(self, name: str) -> dict[str, object]:
        row: dict[str, object] = {"key": name, "readonly": KEYS[name].readonly}
        return row if KEYS[name].write_only else {**row, "value": self._values[name]}


def _fits(key: Key, value: str) -> bool:
    if key.kind == "int":
        return value.isdecimal() and len(value) < 9
    if key.kind == "bool":
        return value.lower() in {"true", "false"}
    if key.kind == "measurands":
        return all(name in MEASURANDS for name in value.split(",") if name)
    return len(value) <= (40 if key.kind == "secret" else 500)
