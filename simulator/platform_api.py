"""Reads from a platform's REST API which chargers and id tokens exist, so that a fleet can be exactly
them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from simulator.charger import ChargerSpec
from simulator.fleet import Member

PAGE = 200
_PAUSE_S = 0.5


class ApiRefused(Exception):
    """The platform answered, but not with what was asked for; the text says what to do."""


class PlatformApi:
    """One login at the API under `base_url`; `basic_password` is given to every charger that is read."""

    def __init__(self, base_url: str, email: str, password: str, basic_password: str | None = None) -> None:
        self._base_url, self._email, self._password = base_url, email, password
        self._basic_password = basic_password

    async def read(self, limit: int | None = None, but: str | None = None) -> list[Member]:
        """Accepted chargers (at most `limit`), each with the active id tokens of its operator; waits for the API.

        Identities and tokens that begin with `but` are left out.
        Raises ApiRefused when the login is refused.
        """
        async with httpx.AsyncClient(base_url=self._base_url, timeout=10, trust_env=False) as client:
            client.headers["Authorization"] = f"Bearer {await self._login(client)}"
            chargers = await self._pages(client, "/api/chargers", None if but else limit)
            tokens = await self._pages(client, "/api/id-tokens", None)
        accepted = [row for row in chargers if row.get("registration", "accepted") == "accepted"]
        accepted = [row for row in accepted if not but or not row["id"].startswith(but)]
        by_operator: defaultdict[str | None, list[str]] = defaultdict(list)
        for row in tokens:
            usable = row.get("status") == "active" and _lasting(row.get("expires_at"))
            if usable and not (but and row["token"].startswith(but)):
                by_operator[row.get("cpo_id")].append(row["token"])
        return [self._member(row, by_operator[row.get("cpo_id")] + by_operator[None]) for row in accepted[:limit]]

    async def _login(self, client: httpx.AsyncClient) -> str:
        while True:
            try:
                answer = await client.post("/api/auth/login", json={"email": self._email, "password": self._password})
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if answer.status_code < 400:
                return str(answer.json()["access_token"])
            if answer.status_code < 500:
                refusal = f"login of {self._email} refused (HTTP {answer.status_code})"
                raise ApiRefused(f"{refusal}: check --email and --password")
            await asyncio.sleep(_PAUSE_S)

    async def _pages(self, client: httpx.AsyncClient, path: str, limit: int | None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            params = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            answer = await client.get(path, params=params)
            if answer.status_code >= 400:
                raise ApiRefused(f"GET {path} refused (HTTP {answer.status_code}): {answer.text[:200]}")
            page = answer.json()
            rows += page["items"]
            cursor = page.get("next_cursor")
            if not cursor or (limit is not None and len(rows) >= limit):
                return rows

    def _member(self, row: dict[str, Any], id_tokens: list[str]) -> Member:
        spec = ChargerSpec(
            current_type="DC" if row.get("current_type") == "DC" else "AC",
            rated_power_w=int(row.get("rated_power_w") or 7_400),
            connector_count=int(row.get("connector_count") or 1),
            vendor=row.get("vendor") or "UNIEV",
            model=row.get("model") or "Simulator",
        )
        return Member(row["id"], spec, self._basic_password, tuple(id_tokens))


def _lasting(expires_at: str | None) -> bool:
    """Good for a day at least (a token without an expiry is good for ever)."""
    return expires_at is None or datetime.fromisoformat(expires_at) > datetime.now(UTC) + timedelta(days=1)
