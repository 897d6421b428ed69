"""The REST API as the dashboards see it: the user's own token on every call, refreshed on the server, plain errors."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import httpx

from dashboards.common.sessions import LoginSession, SessionStore

# Renew a little before the token ends, so that a slow call does not end in a 401.
RENEW_BEFORE_S = 20
PAGE = 200
# A 401 that speaks of what was sent, not of the login.
PROOFS = ("code_wrong", "password_wrong")
# Server errors that say what is the matter and what to do; of all others a person need only know that no answer came.
TOLD = ("scanner_unavailable", "storage_full", "storage_unavailable")
# The API gives a request up after 30 s. Where no key makes a second try harmless, its word is worth waiting for.
PATIENCE_S = 32


class ApiDown(Exception):
    """No usable answer: not reachable, too slow, or a server error without words. Trying again later may help."""


class ApiRefused(Exception):
    """The API understood and said no. `code` is stable, `detail` is for people."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


class SignedOut(Exception):
    """The login has ended: signed out elsewhere, expired, or withdrawn."""


def route(*parts: str) -> str:
    """The path of the API over these parts, none of which can reach into its neighbours: `route("chargers", id)`.

    Identities of chargers may hold `/ # ? %` and blanks; put in as they are, they would name another charger.
    """
    return "/".join(("", "api", *map(_segment, parts)))


def _segment(part: str) -> str:
    """Percent-encoded; also a part of dots alone, which clients take for a step upwards."""
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


@lru_cache(maxsize=4)
def http(api_url: str) -> httpx.Client:
    """One connection pool per process. Proxies of the environment are not for the platform's own API."""
    return httpx.Client(
        base_url=api_url,
        timeout=httpx.Timeout(6, connect=2),
        trust_env=False,
        limits=httpx.Limits(max_connections=40),
    )


def ask(
    client: httpx.Client,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    raw: bool = False,
    timeout_s: float | None = None,
) -> Any:
    """One call; `raw`: the answer as bytes, `content`: the body as bytes.

    Raises ApiDown, or ApiRefused for 4xx (401 included) and for server errors that say what to do.
    """
    try:
        limits = client.timeout if timeout_s is None else httpx.Timeout(timeout_s, connect=2)
        reply = client.request(method, path, params=params, json=body, content=content, headers=headers, timeout=limits)
    except httpx.HTTPError as error:
        raise ApiDown(str(error) or type(error).__name__) from error
    if reply.is_error:
        refusal = _refusal(reply)
        raise ApiDown(f"{reply.status_code} {path}") if reply.is_server_error and refusal.code not in TOLD else refusal
    if raw:
        return reply.content
    if not reply.content:
        return None
    try:
        return reply.json()
    except ValueError as error:
        raise ApiDown(f"{path}: not JSON") from error


def _refusal(reply: httpx.Response) -> ApiRefused:
    try:
        problem = reply.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):  # no word of ours: a proxy's, say
        problem = {}
    members = "; ".join(f"{e.get('member')}: {e.get('message')}" for e in problem.get("errors") or [])
    detail = members or str(problem.get("detail") or problem.get("title") or reply.reason_phrase)
    return ApiRefused(reply.status_code, str(problem.get("code") or reply.status_code), detail)


class Api:
    """The API in the name of one login session."""

    def __init__(
        self, client: httpx.Client, store: SessionStore, key: str, sender: Callable[[], str | None] = lambda: None
    ) -> None:
        """`sender`: the network address of the person's browser, which the API counts and notes; None: unknown."""
        self._client, self._store, self._key, self._sender = client, store, key, sender

    def get(self, path: str, **params: Any) -> Any:
        """Parameters that are None are left out; booleans are sent as true/false."""
        return self.call("GET", path, params=_plain(params))

    def post(self, path: str, body: Any, *, idempotency_key: str | None = None) -> Any:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.call("POST", path, body=body, headers=headers)

    def download(self, path: str, **params: Any) -> bytes:
        """What is no JSON document, as it is."""
        content: bytes = self.call("GET", path, params=_plain(params), raw=True, timeout_s=PATIENCE_S)
        return content

    def upload(self, path: str, content: bytes, **params: Any) -> Any:
        """Sends a file, which may take its time."""
        return self.call("POST", path, params=_plain(params), content=content, timeout_s=600)

    def pages(self, path: str, cap: int, **params: Any) -> tuple[list[dict[str, Any]], bool]:
        """All rows of a list up to `cap`; the flag tells whether more were left."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=min(PAGE, cap), cursor=cursor, **params)
            rows += page["items"]
            cursor = page.get("next_cursor")
            if not cursor or len(rows) >= cap:
                return rows[:cap], bool(cursor) or len(rows) > cap

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        """Raises ApiDown, ApiRefused, SignedOut."""
        if method != "GET" and "Idempotency-Key" not in (headers or {}):
            options.setdefault("timeout_s", PATIENCE_S)
        session = self._fresh()
        for attempt in (1, 2):
            bearer = {**(headers or {}), "Authorization": f"Bearer {session.access_token}", **passed_on(self._sender())}
            try:
                return ask(self._client, method, path, headers=bearer, **options)
            except ApiRefused as refusal:
                if refusal.status != 401 or refusal.code in PROOFS or attempt == 2:
                    raise
                session = self._renew(session)
        raise AssertionError("unreachable")

    def renew(self) -> None:
        """Fresh tokens, since what they say of the person has changed. Raises ApiDown, SignedOut."""
        self._renew(self._session())

    def sign_out(self) -> None:
        """Ends the login here and at the API; here even when the API does not answer."""
        try:
            session = self._fresh()
            withdraw(self._client, session.access_token, session.refresh_token)
        except (SignedOut, ApiDown):
            return
        finally:
            self._store.delete(self._key)

    def _fresh(self) -> LoginSession:
        """The session with an access token that is good for this call."""
        session = self._session()
        soon = session.access_expires_at - time.time() < RENEW_BEFORE_S
        return self._renew(session) if soon else session

    def _session(self) -> LoginSession:
        session = self._store.get(self._key)
        if session is None:
            raise SignedOut
        return session

    def _renew(self, session: LoginSession) -> LoginSession:
        with self._store.refresh_lock(session.key):
            current = self._session()
            if current.access_token != session.access_token:
                return current  # another tab was faster
            try:
                login = ask(
                    self._client, "POST", "/api/auth/refresh", body={"refresh_token": session.refresh_token},
                    headers=passed_on(self._sender()),
                )  # fmt: skip
            except ApiRefused as refusal:
                self._store.delete(session.key)
                raise SignedOut from refusal
            return self._store.renew(current, login)


def passed_on(sender: str | None) -> dict[str, str]:
    """The header that tells the API whose request this is; it believes it from its own machine."""
    return {"X-Forwarded-For": sender} if sender else {}


def withdraw(client: httpx.Client, access_token: str, refresh_token: str) -> None:
    """Tell the API that a login has ended; not worth an error message when it does not answer."""
    bearer = {"Authorization": f"Bearer {access_token}"}
    with suppress(ApiDown, ApiRefused):
        ask(client, "POST", "/api/auth/logout", body={"refresh_token": refresh_token}, headers=bearer)


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {k: str(v).lower() if isinstance(v, bool) else v for k, v in params.items() if v is not None}
