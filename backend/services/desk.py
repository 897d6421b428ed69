"""The desk where companies become CPOs: its services, wired once."""

from __future__ import annotations

from dataclasses import dataclass

from backend.database import Database
from backend.domain.files import Storage
from backend.services.applications import Applications
from backend.services.audit import Audit
from backend.services.cpos import Cpos
from backend.services.dossiers import Dossiers, Screens
from backend.services.mails import Mails
from backend.services.onboarding import Onboarding
from backend.services.passwords import Passwords
from backend.services.revenue_shares import RevenueShares


@dataclass(frozen=True, slots=True)
class Desk:
    """The applicant's side, the EMSV's side, and what is agreed."""

    applications: Applications
    onboarding: Onboarding
    revenue_shares: RevenueShares


def build_desk(
    database: Database,
    audit: Audit,
    cpos: Cpos,
    mails: Mails,
    passwords: Passwords,
    storage: Storage,
    secret_key: str,
    screens: Screens,
) -> Desk:
    """Wires them to one database, mails and storage."""
    dossiers = Dossiers(database, mails, screens)
    applications = Applications(database, dossiers, mails, passwords, storage, secret_key, screens.cpo)
    onboarding = Onboarding(database, audit, cpos, dossiers, mails, storage, applications.codes, screens.cpo)
    return Desk(applications, onboarding, RevenueShares(database, cpos))
