"""A driver before the dashboards, which are for staff: the account is made here, and nothing else is."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

import asyncpg
import pytest
from starlette.testclient import TestClient

from dashboards.common import door
from tests.dashboards.conftest import EMSV, Nation, dashboards_at, nation
from tests.dashboards.test_login import Browser, browser, enter
from tests.support.postgres import run_sync
from tests.support.rooms import sign_in

__all__ = ["browser", "dashboards_at", "nation"]  # the fixtures
PASSWORD = "tujuh kuda laut biru"
BOTH = pytest.mark.parametrize("dashboard", [door.CPO, door.EMSV], ids=["cpo", "emsv"])


def invited(nation: Nation, email: str) -> str:
    """A driver is registered and invited; the token of the link. The API keeps a hash alone, so it is ours here."""
    driver = nation.post(EMSV, "/api/drivers", {"name": "Made"})
    body = {"email": email, "name": "Made", "role": "driver", "driver_id": driver["id"]}
    made = nation.post(EMSV, "/api/invitations", body)
    token = f"link of {email}"

    async def exchange() -> None:
        connection = await asyncpg.connect(nation.dsn)
        hashed = hashlib.sha256(token.encode()).hexdigest()
        await connection.execute("update public.invitations set token_hash = $1 where id = $2", hashed, made["id"])
        await connection.close()

    run_sync(exchange())
    return token


def accept(client: TestClient, token: str) -> tuple[str, str]:
    """The page of the invitation, and the one after it."""
    page = client.get(f"/auth/invitation?token={quote(token)}").text
    form_token = re.findall(r'name="form_token" value="([^"]*)"', page)[0]
    fields = {"form_token": form_token, "token": token, "name": "Made", "new_password": PASSWORD}
    return page, client.post("/auth/invitation", data=fields).text


@BOTH
def test_an_invited_drivers_account_is_ready_and_leads_into_no_rooms(
    browser: Browser, nation: Nation, dashboard: door.Dashboard
) -> None:
    email = f"{dashboard.name}@driver.test"
    client = browser(dashboard)
    before, after = accept(client, invited(nation, email))
    assert "riwayat pengisian" in before and "bekerja untuk" not in before
    assert "Akun Anda siap" in after and "href=" not in after.partition("<body>")[2]  # no way in that is none
    assert dashboard.cookie not in client.cookies
    assert client.get("/", headers={"accept": "text/html"}).status_code == 303  # to the login
    assert sign_in(nation.api_url, email, PASSWORD)["user"]["role"] == "driver"


@BOTH
def test_a_driver_who_signs_in_is_told_that_this_is_for_staff(
    browser: Browser, nation: Nation, dashboard: door.Dashboard
) -> None:
    email = f"in-{dashboard.name}@driver.test"
    accept(browser(dashboard), invited(nation, email))
    client = browser(dashboard)
    answer = enter(client, email, PASSWORD)
    assert answer.status_code == 403
    assert "Ini akun pengemudi. Dasbor ini khusus untuk staf" in answer.text
    assert dashboard.cookie not in client.cookies
