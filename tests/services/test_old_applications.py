"""Applications that came to nothing are forgotten with their documents; others are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backend.database import SYSTEM, DirectDatabase
from backend.gateways.storage import DirectoryStorage
from backend.services.old_applications import ADDRESS_DAYS, DRAFT_DAYS, REFUSED_DAYS, OldApplications
from tests.support.documents import PDF


async def once() -> AsyncIterator[bytes]:
    yield PDF


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


async def applied(database: DirectDatabase, storage: DirectoryStorage, state: str, days: int) -> str:
    """An application with a document, untouched for some days."""
    email = f"{state}{days}@x.test"
    row = {"email": email, "contact_name": "A", "company": state, "state": state, "updated_at": ago(days)}
    cpo_id = str((await database.insert("cpo_applications", [row], scope=SYSTEM))[0]["cpo_id"])
    document: dict[str, Any] = {
        "id": cpo_id, "cpo_id": cpo_id, "kind": "nib", "name": "nib.pdf", "media_type": "application/pdf",
        "size_bytes": len(PDF), "sha256": "00", "content_name": f"cpo-documents/{cpo_id}",
    }  # fmt: skip
    await storage.write(document["content_name"], once(), len(PDF))
    await database.insert("cpo_documents", [document], scope=SYSTEM, columns="")
    token = {"token_hash": email, "application_id": cpo_id, "expires_at": ago(-1)}
    await database.insert("cpo_applicant_tokens", [token], scope=SYSTEM, columns="")
    return cpo_id


async def test_what_came_to_nothing_is_forgotten_with_its_documents(database: DirectDatabase, tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    gone = [
        await applied(database, storage, "draft", DRAFT_DAYS + 1),
        await applied(database, storage, "questioned", DRAFT_DAYS + 1),
        await applied(database, storage, "refused", REFUSED_DAYS + 1),
    ]
    kept = [
        await applied(database, storage, "draft", DRAFT_DAYS - 1),
        await applied(database, storage, "refused", DRAFT_DAYS + 1),
        await applied(database, storage, "submitted", REFUSED_DAYS + 1),
        await applied(database, storage, "closed", REFUSED_DAYS + 1),
    ]
    addresses = [
        {"email": f"never{days}@x.test", "details": {}, "code_expires_at": ago(days)} for days in (0, ADDRESS_DAYS + 1)
    ]
    await database.insert("cpo_registrations", addresses, scope=SYSTEM, columns="")

    assert await OldApplications(database, storage).forget() == len(gone) + 1
    assert await OldApplications(database, storage).forget() == 0

    rows = await database.select("cpo_applications", scope=SYSTEM, columns="cpo_id")
    assert {row["cpo_id"] for row in rows} == set(kept)
    assert {path.name for path in (tmp_path / "cpo-documents").iterdir()} == set(kept)
    rows = await database.select("cpo_registrations", scope=SYSTEM, columns="email")
    assert [row["email"] for row in rows] == ["never0@x.test"]
