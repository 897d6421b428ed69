"""The security extension of OCPP 1.6 (whitepaper edition 3): certificates, logs, signed firmware, triggers."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from backend.api.actions.payload import Action, ExtendedMessageTrigger, Integer, Location, Moment, OcppPayload
from backend.api.bodies import absent

Pem = Annotated[str, Field(min_length=1, max_length=5500)]
Hash = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class CertificateUse(StrEnum):
    """Which root a certificate is."""

    CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"


class HashAlgorithm(StrEnum):
    """How the hashes are made."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class LogType(StrEnum):
    """Which log."""

    DIAGNOSTICS = "DiagnosticsLog"
    SECURITY = "SecurityLog"


class CertificateHashData(OcppPayload):
    """Names one installed certificate."""

    hash_algorithm: HashAlgorithm = Field(description="How the hashes are made.")
    issuer_name_hash: Hash = Field(description="Hash of the issuer's name, hexadecimal.")
    issuer_key_hash: Hash = Field(description="Hash of the issuer's public key, hexadecimal.")
    serial_number: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[!-~]+$")] = Field(
        description="Serial number of the certificate, hexadecimal."
    )


class LogParameters(OcppPayload):
    """Where to, and how much."""

    remote_location: Location = Field(description="Where to upload to: any URL, as given.")
    oldest_timestamp: Moment = Field(default_factory=absent, description="Oldest entry wanted, ISO 8601 with offset.")
    latest_timestamp: Moment = Field(default_factory=absent, description="Newest entry wanted, ISO 8601 with offset.")


class SignedFirmware(OcppPayload):
    """Firmware with the maker's signature."""

    location: Location = Field(description="Where to download from: any URL, as given.")
    retrieve_date_time: Moment = Field(description="When to download, ISO 8601 with offset.")
    install_date_time: Moment = Field(default_factory=absent, description="When to install, ISO 8601 with offset.")
    signing_certificate: Pem = Field(description="Certificate of the maker, PEM.")
    signature: Annotated[str, Field(min_length=1, max_length=800)] = Field(description="Signature, Base64.")


class CertificateSigned(OcppPayload):
    """Give the charger its certificate (whitepaper §5.1)."""

    certificate_chain: Annotated[str, Field(min_length=1, max_length=10_000)] = Field(
        description="The certificate and those it rests on, PEM."
    )


class DeleteCertificate(OcppPayload):
    """Let the charger delete a certificate (whitepaper §5.3)."""

    certificate_hash_data: CertificateHashData = Field(description="Which certificate.")


class ExtendedTriggerMessage(OcppPayload):
    """Ask the charger to send a message now (whitepaper §5.6)."""

    requested_message: ExtendedMessageTrigger = Field(description="Message to send.")
    connector_id: Integer = Field(default_factory=absent, description="Connector it concerns.")


class GetInstalledCertificateIds(OcppPayload):
    """Ask which root certificates the charger has (whitepaper §5.8)."""

    certificate_type: CertificateUse = Field(description="Which kind of root.")


class GetLog(OcppPayload):
    """Let the charger upload a log (whitepaper §5.10)."""

    log: LogParameters = Field(description="Where to, and how much.")
    log_type: LogType = Field(description="`DiagnosticsLog` or `SecurityLog`.")
    request_id: Integer = Field(description="Number of the request.")
    retries: Integer = Field(default_factory=absent, description="How often to try again.")
    retry_interval: Integer = Field(default_factory=absent, description="Seconds between tries.")


class InstallCertificate(OcppPayload):
    """Give the charger a root certificate (whitepaper §5.12)."""

    certificate_type: CertificateUse = Field(description="Which kind of root.")
    certificate: Pem = Field(description="The certificate, PEM.")


class SignedUpdateFirmware(OcppPayload):
    """Let the charger install signed firmware (whitepaper §5.22)."""

    retries: Integer = Field(default_factory=absent, description="How often to try again.")
    retry_interval: Integer = Field(default_factory=absent, description="Seconds between tries.")
    request_id: Integer = Field(description="Number of the request.")
    firmware: SignedFirmware = Field(description="The firmware.")


ACTIONS: Final = MappingProxyType(
    {
        "CertificateSigned": Action(CertificateSigned, "Give the charger its certificate"),
        "DeleteCertificate": Action(DeleteCertificate, "Let the charger delete a certificate"),
        "ExtendedTriggerMessage": Action(ExtendedTriggerMessage, "Ask for a message, security extension"),
        "GetInstalledCertificateIds": Action(GetInstalledCertificateIds, "Ask which certificates are installed"),
        "GetLog": Action(GetLog, "Let the charger upload a log"),
        "InstallCertificate": Action(InstallCertificate, "Give the charger a root certificate"),
        "SignedUpdateFirmware": Action(SignedUpdateFirmware, "Let the charger install signed firmware"),
    }
)
