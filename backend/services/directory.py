"""The services of the REST API, wired once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backend.database import Database
from backend.domain.files import FileRules, NoStorage, Storage
from backend.domain.masking import Mask
from backend.domain.rates import USUAL_RATE, Counter, NoCounter, Rate
from backend.services.alarms import Alarms
from backend.services.analytics import Analytics
from backend.services.api_keys import ApiKeys
from backend.services.audit import Audit
from backend.services.campaigns import Campaigns
from backend.services.chargers import Chargers
from backend.services.charging_profiles import ChargingProfiles
from backend.services.commands import Commands
from backend.services.configuration import Configurations
from backend.services.connectors import Connectors
from backend.services.cpos import Cpos
from backend.services.desk import Desk, build_desk
from backend.services.dossiers import LOCAL_SCREENS, Screens
from backend.services.drivers import Drivers
from backend.services.file_links import FileLinks
from backend.services.firmware import Firmware
from backend.services.fleet import Fleet
from backend.services.id_tokens import IdTokens
from backend.services.local_lists import LocalLists
from backend.services.log_jobs import LogJobs
from backend.services.mails import Mails
from backend.services.messages import Messages
from backend.services.normalising_rules import NormalisingRules
from backend.services.passwords import Passwords
from backend.services.people import People, build_people
from backend.services.personal_data import PersonalData
from backend.services.pki.authority import Authority
from backend.services.pki.certificates import Certificates
from backend.services.pki.ending import Ending
from backend.services.quirks import Quirks
from backend.services.rate_limits import RateLimits
from backend.services.readiness import ReadinessCheck
from backend.services.reservations import Reservations
from backend.services.reviews import Reviews
from backend.services.security import Security
from backend.services.sessions import Sessions
from backend.services.sso import Sso
from backend.services.stations import Stations
from backend.services.tags import Tags
from backend.services.templates import Templates
from backend.services.timeline import Timeline
from backend.services.vault import Vault


@dataclass(frozen=True, slots=True)
class Directory:
    """Every service that the edge to people uses."""

    alarms: Alarms
    analytics: Analytics
    api_keys: ApiKeys
    audit: Audit
    authority: Authority
    certificates: Certificates
    campaigns: Campaigns
    chargers: Chargers
    charging_profiles: ChargingProfiles
    commands: Commands
    configurations: Configurations
    connectors: Connectors
    cpos: Cpos
    desk: Desk
    drivers: Drivers
    ending: Ending
    file_links: FileLinks
    firmware: Firmware
    fleet: Fleet
    id_tokens: IdTokens
    local_lists: LocalLists
    log_jobs: LogJobs
    mails: Mails
    messages: Messages
    normalising_rules: NormalisingRules
    people: People
    personal_data: PersonalData
    quirks: Quirks
    rates: RateLimits
    readiness: ReadinessCheck
    reservations: Reservations
    reviews: Reviews
    security: Security
    sessions: Sessions
    stations: Stations
    templates: Templates
    tags: Tags
    timeline: Timeline
    vault: Vault


def utc_now() -> datetime:
    """The clock of the platform."""
    return datetime.now(UTC)


def build_directory(
    database: Database,
    secret_key: str,
    *,
    former_keys: Sequence[str] = (),
    now: Callable[[], datetime] = utc_now,
    free_bytes: Callable[[], int] | None = None,
    storage: Storage | None = None,
    rules: FileRules | None = None,
    counter: Counter | None = None,
    usual_rate: Rate = USUAL_RATE,
    screens: Screens = LOCAL_SCREENS,
    sso: Sso | None = None,
) -> Directory:
    """Wires the services; `former_keys` still open what they sealed once. Without a `counter` no rate is bounded."""
    storage, rules = storage or NoStorage(), rules or FileRules()
    audit, vault = Audit(database), Vault(secret_key, former_keys)
    cpos, sessions = Cpos(database), Sessions(database)
    normalising_rules = NormalisingRules(database)
    mails, stations, drivers = Mails(database, vault), Stations(database, cpos), Drivers(database)
    chargers = Chargers(database, stations)
    commands = Commands(database, chargers, sessions)
    authority = Authority(database, vault, now)
    certificates = Certificates(database, chargers, commands, authority, now)
    return Directory(
        alarms=Alarms(database), analytics=Analytics(database),
        api_keys=ApiKeys(database, cpos, now),
        audit=audit, authority=authority, certificates=certificates,
        campaigns=Campaigns(database, cpos), chargers=chargers,
        charging_profiles=ChargingProfiles(database, cpos, chargers, commands, now),
        commands=commands,
        configurations=Configurations(database, chargers), connectors=Connectors(database), cpos=cpos,
        desk=build_desk(database, audit, cpos, mails, Passwords(), storage, secret_key, screens),
        drivers=drivers, ending=Ending(database),
        file_links=FileLinks(database, storage, rules),
        firmware=Firmware(database, cpos, chargers, storage, rules, now),
        fleet=Fleet(database),
        id_tokens=IdTokens(database, cpos), local_lists=LocalLists(database, chargers),
        log_jobs=LogJobs(database, audit, chargers, storage, rules, now),
        mails=mails,
        messages=Messages(database, chargers, Mask(secret_key.encode())),
        normalising_rules=normalising_rules,
        people=build_people(database, cpos, vault, mails, screens, secret_key, now, sso),
        personal_data=PersonalData(database, drivers, now),
        quirks=Quirks(database, chargers, normalising_rules),
        rates=RateLimits(counter or NoCounter(), usual_rate, lambda: now().timestamp()),
        readiness=ReadinessCheck(database, now, free_bytes),
        reservations=Reservations(database, commands), reviews=Reviews(database),
        security=Security(database, chargers, commands, certificates),
        sessions=sessions, stations=stations,
        templates=Templates(database, cpos, chargers),
        tags=Tags(database),
        timeline=Timeline(database, chargers),
        vault=vault,
    )  # fmt: skip
