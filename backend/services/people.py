"""The services around people, wired once: who they are, how they log in, what ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from backend.database import Database
from backend.services.attempts import Attempts
from backend.services.cpos import Cpos
from backend.services.logins import Logins
from backend.services.own_logins import OwnLogins
from backend.services.passwords import Passwords
from backend.services.second_factor import SecondFactor
from backend.services.standing import Standing
from backend.services.tokens import Tokens
from backend.services.users import Users
from backend.services.vault import Vault


@dataclass(frozen=True, slots=True)
class People:
    """Every service that concerns people."""

    logins: Logins
    own_logins: OwnLogins
    second_factor: SecondFactor
    standing: Standing
    tokens: Tokens
    users: Users


def build_people(database: Database, cpos: Cpos, vault: Vault, secret_key: str, now: Callable[[], datetime]) -> People:
    """Wires them to one database, one vault, one clock."""
    attempts, passwords, tokens = Attempts(database, now), Passwords(), Tokens(database, secret_key, now)
    second_factor = SecondFactor(database, vault, attempts, now)
    logins = Logins(database, cpos, passwords, tokens, attempts, second_factor, now)
    return People(
        logins=logins,
        own_logins=OwnLogins(database, now),
        second_factor=second_factor,
        standing=Standing(database, now),
        tokens=tokens,
        users=Users(database, cpos, passwords, second_factor),
    )
