"""Secrets at rest: what is sealed can be read with the right key only, and keys can be changed."""

from __future__ import annotations

import base64

import asyncpg
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backend.database import SYSTEM, DirectDatabase
from backend.services.directory import utc_now
from backend.services.pki.authority import Authority, AuthoritySealed
from backend.services.resealing import SEALED, reseal
from backend.services.vault import SealedElsewhere, Vault

OLD, NEW = "an old secret of the tests, long enough", "a new secret of the tests, long enough"


def first_form(secret_key: str, text: str) -> str:
    """As texts were sealed before the vault: Fernet, no key id."""
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"uniev certificate authority").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived)).encrypt(text.encode()).decode()


def test_a_sealed_text_hides_what_it_says_and_opens_again() -> None:
    vault = Vault(OLD)

    first, second = vault.seal("kunci rahasia"), vault.seal("kunci rahasia")

    assert first != second and "kunci" not in first
    assert vault.open(first) == vault.open(second) == "kunci rahasia"


def test_another_key_a_changed_text_and_nonsense_do_not_open() -> None:
    vault = Vault(OLD)
    sealed = vault.seal("kunci rahasia")
    form, key_id, hidden = sealed.split(".")
    flipped = "A" if hidden[20] != "A" else "B"
    changed = f"{form}.{key_id}.{hidden[:20]}{flipped}{hidden[21:]}"

    for unreadable in (changed, f"v1.{key_id}.x", f"v1.{key_id}", "v1..", "", "nonsense", f"v1.ffffffffffff.{hidden}"):
        with pytest.raises(SealedElsewhere):
            vault.open(unreadable)
    with pytest.raises(SealedElsewhere):
        Vault(NEW).open(sealed)


def test_a_former_key_opens_but_never_seals() -> None:
    old = Vault(OLD).seal("kunci rahasia")
    vault = Vault(NEW, [OLD])

    assert vault.open(old) == "kunci rahasia"
    assert not vault.is_current(old) and vault.is_current(vault.seal("x"))
    assert Vault(NEW).open(vault.seal("x")) == "x"


async def test_after_rotation_the_former_key_is_not_needed(database: DirectDatabase) -> None:
    root = await Authority(database, Vault(OLD), utc_now).root_pem()

    with pytest.raises(AuthoritySealed):
        await Authority(database, Vault(NEW), utc_now).root_pem()
    assert await reseal(database, Vault(NEW, [OLD]), where=SEALED[:1]) == {SEALED[0].table: 1}

    assert await Authority(database, Vault(NEW), utc_now).root_pem() == root
    assert await reseal(database, Vault(NEW), where=SEALED[:1]) == {SEALED[0].table: 0}


async def test_what_was_sealed_before_the_vault_is_read_and_rotated(database: DirectDatabase) -> None:
    authority = Authority(database, Vault(OLD), utc_now)
    root = await authority.root_pem()
    row = (await database.select("certificate_authority", scope=SYSTEM, columns="root_key,issuing_key"))[0]
    released = {name: first_form(OLD, Vault(OLD).open(text)) for name, text in row.items()}
    await database.update("certificate_authority", released, scope=SYSTEM, where=[("id", "eq", 1)])

    assert await Authority(database, Vault(OLD), utc_now).root_pem() == root
    assert await Authority(database, Vault(NEW, [OLD]), utc_now).root_pem() == root
    await reseal(database, Vault(NEW, [OLD]))

    assert await Authority(database, Vault(NEW), utc_now).root_pem() == root


async def test_every_sealed_column_is_resealed(database: DirectDatabase, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    found = await connection.fetch(
        """select table_name, column_name from information_schema.columns
           where table_schema = 'public' and column_name like '%\\_sealed'"""
    )
    await connection.close()
    listed = {(sealed.table, column) for sealed in SEALED for column in sealed.columns}

    assert {(row["table_name"], row["column_name"]) for row in found} <= listed
