"""The services around people, wired once: who they are, how they log in, what ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from backend.database import Database
from backend.services.attempts import Attempts
from backend.services.cpos import Cpos
from backend.services.dossiers import Screens
from backend.services.invitations import Invitations
from backend.services.logins import Logins
from backend.services.mails import Mails
from backend.services.own_logins import OwnLogins
from backend.services.passwords import Passwords
from backend.services.resets import Resets
from backend.services.second_factor import SecondFactor
from backend.services.sso import SingleSignOn, Sso
from backend.services.standing import Standing
from backend.services.tokens import Tokens
from backend.services.users import Users
from backend.services.vault import Vault


@dataclass(frozen=True, slots=True)
class People:
    """Every service that concerns people."""

    invitations: Invitations
    logins: Logins
    own_logins: OwnLogins
    resets: Resets
    second_factor: SecondFactor
    sso: SingleSignOn
    standing: Standing
    tokens: Tokens
    users: Users


def build_people(
    database: Database,
    cpos: Cpos,
    vault: Vault,
    mails: Mails,
    screens: Screens,
    secret_key: str,
    now: Callable[[], datetime],
    sso: Sso | None = None,
) -> People:
    """Wires them to one database, one vault, one clock."""
    attempts, passwords, tokens = Attempts(database, now), Passwords(), Tokens(database, secret_key, now)
    second_factor = SecondFactor(database, vault, attempts, now)
    logins = Logins(database, cpos, passwords, tokens, attempts, second_factor, now)
    return People(
        invitations=Invitations(database, cpos, passwords, attempts, mails, screens, now),
        logins=logins,
        own_logins=OwnLogins(database, now),
        resets=Resets(database, passwords, attempts, mails, screens, secret_key, now),
        second_factor=second_factor,
        sso=SingleSignOn(database, vault, logins, screens, sso, now),
        standing=Standing(database, now),
        tokens=tokens,
        users=Users(database, cpos, passwords, second_factor),
    )
