"""The login form, outside Streamlit: the password goes from the browser to this process to the API, and the browser
gets an opaque HttpOnly cookie back. No token ever reaches it."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import httpx
from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboards.common.api import ApiDown, ApiRefused, ask, passed_on, withdraw
from dashboards.common.sessions import LIFETIME_S, SessionStore, session_key
from dashboards.common.texts import LANGUAGES, Language, pick, say

_PAGE = Template((Path(__file__).parent / "login.html").read_text("utf-8"))
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
DRIVER = "driver"
"""The role of people who charge: no dashboard is theirs."""
LANGUAGE_COOKIE = "uniev_language"
_YEAR_S = 365 * 24 * 3600
_DEMO = {
    "cpo": (
        "admin@nusantara.demo.uniev.id",
        "operator@nusantara.demo.uniev.id",
        "admin@khatulistiwa.demo.uniev.id",
    ),
    "emsv": ("emsv@demo.uniev.id", "noc@demo.uniev.id"),
}
_DEMO_PASSWORD = "uniev-demo-2026"


class Wrong(Exception):
    """Why nobody was let in: a text key and what it needs."""

    def __init__(self, key: str, status: int, **values: str) -> None:
        super().__init__(key)
        self.key, self.status, self.values = key, status, values


@dataclass(frozen=True, slots=True)
class LoginDesk:
    """Login for one dashboard: only `roles` are let in; others are told the address that serves them."""

    name: str
    cookie: str
    roles: frozenset[str]
    other_port: int
    store: SessionStore
    client: httpx.Client
    demo: bool

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/favicon.ico", _no_icon, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form; straight on to the rooms for somebody who is signed in already."""
        cookie = request.cookies.get(self.cookie)
        if cookie and self.store.get(session_key(cookie)):
            return RedirectResponse(safe_target(request.query_params.get("next")), 303)
        return await run_in_threadpool(self.form, request, next_path=request.query_params.get("next"))

    async def admit(self, request: Request, login: dict[str, Any], target: str) -> Response:
        """Sets the cookie and goes on to the rooms. Raises Wrong at the wrong dashboard."""
        if login["user"]["role"] not in self.roles:
            await self.end(login)
            if login["user"]["role"] == DRIVER:
                raise Wrong("login.for_staff", 403)
            address = f"{request.url.scheme}://{request.url.hostname}:{self.other_port}"
            raise Wrong(f"login.{self.name}.not_for_you", 403, address=address)
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        cookie = await run_in_threadpool(self.store.create, login, chosen if chosen in LANGUAGES else None)
        answer = RedirectResponse(safe_target(target), 303, headers={"Cache-Control": "no-store"})
        self.keep(answer, request, self.cookie, cookie, max_age=LIFETIME_S)
        answer.delete_cookie(self._form_cookie)
        return answer

    async def end(self, login: dict[str, Any]) -> None:
        """Ends a login at once whose holder has no rooms here."""
        await run_in_threadpool(withdraw, self.client, login["access_token"], login["refresh_token"])

    def keep_form_token(self, answer: Response, request: Request, token: str) -> None:
        """The token that the next form of this browser must bear."""
        self.keep(answer, request, self._form_cookie, token, max_age=3600)

    def sso_name(self) -> str | None:
        """What the login page calls single sign-on; None if there is none, or the API does not say."""
        try:
            name: str | None = ask(self.client, "GET", "/api/auth/sso", timeout_s=2)["name"]
        except (ApiDown, ApiRefused):
            return None
        return name

    @property
    def _form_cookie(self) -> str:
        return f"{self.cookie}_form"

    def check_form(self, request: Request, token: str) -> None:
        """The form must come from our own page: same origin, and the token that page put into a cookie."""
        origin = request.headers.get("origin")
        foreign = origin is not None and origin.split("://")[-1] != request.headers.get("host")
        expected = request.cookies.get(self._form_cookie, "")
        if foreign or not expected or not hmac.compare_digest(expected.encode(), token.encode()):
            raise Wrong("login.stale_form", 403)

    def ask_api(self, request: Request, email: str, password: str) -> dict[str, Any]:
        """Tokens, or `challenge` where a second factor is due. Raises Wrong."""
        body = {"email": email.strip(), "password": password}
        try:
            login: dict[str, Any] = ask(self.client, "POST", "/api/auth/login", body=body, headers=forwarded(request))
        except ApiDown as down:
            raise Wrong("login.api_down", 503) from down
        except ApiRefused as refusal:
            key = "login.too_many" if refusal.status == 429 else "login.wrong"
            raise Wrong(key, refusal.status) from refusal
        return login

    def form(self, request: Request, *, next_path: str | None, wrong: Wrong | None = None, email: str = "") -> Response:
        asked = request.query_params.get("lang")
        language = pick(asked, request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))
        token = secrets.token_urlsafe(24)
        page = _PAGE.substitute(
            language=language,
            form_token=token,
            next=escape(safe_target(next_path)),
            email=escape(email),
            notice=notice(language, wrong),
            switches=_switches(language, next_path),
            demo=_demo(language, self.name) if self.demo else "",
            apply=_apply(language) if self.name == "cpo" else "",
            **{k: escape(say(language, f"login.{k}")) for k in ("email_label", "password_label", "enter")},
            forgotten=escape(say(language, "login.forgotten")),
            sso=_sso(language, self.sso_name()),
            title=escape(say(language, f"login.{self.name}.title")),
            about=escape(say(language, f"login.{self.name}.about")),
        )
        answer = HTMLResponse(page, wrong.status if wrong else 200, headers=HEADERS)
        self.keep_form_token(answer, request, token)
        if asked in LANGUAGES:
            self.keep(answer, request, LANGUAGE_COOKIE, str(asked), max_age=_YEAR_S)
        return answer

    @staticmethod
    def keep(answer: Response, request: Request, name: str, value: str, max_age: int) -> None:
        secure = request.url.scheme == "https"
        answer.set_cookie(name, value, max_age=max_age, httponly=True, secure=secure, samesite="lax", path="/")


def forwarded(request: Request) -> dict[str, str]:
    """Headers that tell the API who stands at the door: it bounds and lists logins by the browser's own address."""
    agent = {"User-Agent": request.headers["user-agent"]} if "user-agent" in request.headers else {}
    return {**passed_on(request.client.host if request.client else None), **agent}


def _sso(language: Language, name: str | None) -> Markup:
    link = Markup('<p><a class="button second" href="/auth/sso">{}</a></p>')
    return link.format(say(language, "login.sso", name=name)) if name else Markup()


async def _no_icon(_: Request) -> Response:
    return Response(status_code=204)


def safe_target(path: str | None) -> str:
    """Only a path of this very site: no scheme, no host, no way back to the login itself."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\", "/login", "/auth")):
        return "/"
    return path


def notice(language: Language, wrong: Wrong | None) -> Markup:
    if wrong is None:
        return Markup()
    return Markup('<p class="notice" role="alert">{}</p>').format(say(language, wrong.key, **wrong.values))


def _switches(language: Language, next_path: str | None) -> Markup:
    link: Callable[..., Markup] = Markup('<a href="{}" lang="{}"{}>{}</a>').format
    names = {"id": "Bahasa Indonesia", "en": "English"}
    return Markup(" · ").join(
        link(
            str(httpx.URL("/login", params={"lang": code, "next": safe_target(next_path)})),
            code,
            Markup(' aria-current="true"') if code == language else "",
            names[code],
        )
        for code in LANGUAGES
    )


def _apply(language: Language) -> Markup:
    return Markup('<p class="switch">{} <a href="/register">{}</a></p>').format(
        say(language, "login.no_account"), say(language, "login.apply")
    )


def _demo(language: Language, name: str) -> Markup:
    rows = Markup().join(Markup("<li><code>{}</code></li>").format(email) for email in _DEMO[name])
    return Markup('<section class="demo"><p>{}</p><ul>{}</ul></section>').format(
        say(language, "login.demo", password=_DEMO_PASSWORD), rows
    )
