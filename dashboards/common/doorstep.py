"""The pages before the rooms, besides the login form: second factor, forgotten password, invitation, single sign-on.

As with the login, nothing secret stays in the browser but an opaque cookie, and every form carries a token of its own.
"""

import base64
import hmac
import io
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import segno
from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboards.common import login as door_form
from dashboards.common.api import Api, ApiDown, ApiRefused, SignedOut, ask, route
from dashboards.common.login import LoginDesk, Wrong
from dashboards.common.sessions import session_key
from dashboards.common.texts import Language, known, pick, say

ENROLMENT = "/auth/enrolment"
_PAGE = Template((Path(__file__).parent / "doorstep.html").read_text("utf-8"))
_CODE = 'inputmode="text" autocomplete="one-time-code" minlength="6" maxlength="40"'
_NEW_PASSWORD = 'type="password" autocomplete="new-password" minlength="12" maxlength="200"'

_MOST_FORM_BYTES = 64 * 1024
_NOTHING = Markup()

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One page: `name` finds its words (`doorstep.<name>.…`), `body` is its form, sent to `action`.

    `about`: what the sentence below the title needs. `staff`: who stands here has rooms behind the door, and is shown
    the way in.
    """

    name: str
    action: str = ""
    body: Markup = _NOTHING
    wrong: Wrong | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    staff: bool = True


class Doorstep:
    """The steps of one dashboard's door. `desk` checks forms, lets people in, and knows API and sessions."""

    def __init__(self, desk: LoginDesk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        pages: dict[str, tuple[Callable[[Request], Any], Callable[[Request, Fields], Any]]] = {
            "/auth/forgotten": (self.forgotten, self.ask_code),
            "/auth/reset": (self.reset, self.set_password),
            "/auth/invitation": (self.invitation, self.accept),
            ENROLMENT: (self.enrolment, self.confirm),
        }
        shown = [Route(path, show, methods=["GET"]) for path, (show, _) in pages.items()]
        sent = [Route(path, self._sent(act), methods=["POST"]) for path, (_, act) in pages.items()]
        posts = {"/auth/login": self.enter, "/auth/second-factor": self.prove}
        more = [Route(path, self._sent(act), methods=["POST"]) for path, act in posts.items()]
        away = [
            Route("/auth/sso", self.leave_for_sso, methods=["GET"]),
            Route("/auth/sso/callback", self.back_from_sso, methods=["GET"]),
        ]
        return [*self._desk.routes(), *shown, *sent, *more, *away]

    async def enter(self, request: Request, form: Fields) -> Response:
        """Checks the form token and the password. Every refusal says why in one sentence."""
        target, email = door_form.safe_target(form.get("next")), form.get("email", "")
        try:
            self._desk.check_form(request, form.get("form_token", ""))
            outcome = await run_in_threadpool(self._desk.ask_api, request, email, form.get("password", ""))
            if "challenge" in outcome:
                return self.challenge(request, outcome["challenge"], target)
            return await self._desk.admit(request, outcome, target)
        except Wrong as wrong:
            return await run_in_threadpool(self._desk.form, request, next_path=target, wrong=wrong, email=email)

    def challenge(self, request: Request, challenge: str, target: str, wrong: Wrong | None = None) -> Response:
        """The password was right: asks for a code of the second factor."""
        kept = _hidden("challenge", challenge) + _hidden("next", target)
        return self._page(request, Step("code", "/auth/second-factor", kept + _field(request, "code", _CODE), wrong))

    async def prove(self, request: Request, form: Fields) -> Response:
        """The code of the second factor comes."""
        challenge, target = form.get("challenge", ""), form.get("next", "/")
        body = {"challenge": challenge, "code": form.get("code", "")}
        try:
            self._desk.check_form(request, form.get("form_token", ""))
            login = await self._ask(request, "second-factor", body)
            return await self._desk.admit(request, login, target)
        except Wrong as wrong:
            return self.challenge(request, challenge, target, wrong)

    async def leave_for_sso(self, request: Request) -> Response:
        """To the issuer; the state is bound to this browser."""
        try:
            begun = await self._ask(request, "sso/begin", {"dashboard": self._desk.name})
        except Wrong as wrong:
            return self._page(request, Step("sso_failed", wrong=wrong))
        answer = RedirectResponse(begun["url"], 303, headers={"Cache-Control": "no-store"})
        self._desk.keep(answer, request, self._sso_cookie, begun["state"], max_age=600)
        return answer

    async def back_from_sso(self, request: Request) -> Response:
        """The issuer sent the browser back: the state must be that of this very browser."""
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        expected = request.cookies.get(self._sso_cookie, "")
        try:
            if not (state and code and hmac.compare_digest(state.encode(), expected.encode())):
                raise Wrong("doorstep.refused.sso_failed", 401)
            outcome = await self._ask(request, "sso/finish", {"state": state, "code": code})
            if "challenge" in outcome:
                return self.challenge(request, outcome["challenge"], "/")
            return await self._desk.admit(request, outcome, "/")
        except Wrong as wrong:
            return self._page(request, Step("sso_failed", wrong=wrong))

    @property
    def _sso_cookie(self) -> str:
        return f"{self._desk.cookie}_sso"

    async def forgotten(self, request: Request, wrong: Wrong | None = None) -> Response:
        """Whose password is forgotten?"""
        field = _field(request, "email", 'type="email" autocomplete="username" maxlength="254"')
        return self._page(request, Step("forgotten", "/auth/forgotten", field, wrong))

    async def ask_code(self, request: Request, form: Fields) -> Response:
        """Has a code mailed, and says the same whoever asks."""
        email = form.get("email", "").strip()
        try:
            self._desk.check_form(request, form.get("form_token", ""))
            await self._ask(request, "password-reset", {"email": email, "dashboard": self._desk.name})
        except Wrong as wrong:
            return await self.forgotten(request, wrong)
        return await self.reset(request, email=email)

    async def reset(self, request: Request, *, wrong: Wrong | None = None, email: str | None = None) -> Response:
        """Where the mailed code and a new password are entered."""
        email = request.query_params.get("email", "") if email is None else email
        shown = f'type="email" autocomplete="username" maxlength="254" value="{escape(email)}"'
        fields = _field(request, "email", shown) + _field(request, "mailed_code", _CODE)
        return self._page(
            request, Step("reset", "/auth/reset", fields + _field(request, "new_password", _NEW_PASSWORD), wrong)
        )

    async def set_password(self, request: Request, form: Fields) -> Response:
        """The new password is set; then the login form, as ever."""
        body = {
            "email": form.get("email", ""),
            "code": form.get("mailed_code", ""),
            "password": form.get("new_password", ""),
        }
        try:
            self._desk.check_form(request, form.get("form_token", ""))
            await self._ask(request, "password-reset/confirm", body)
        except Wrong as wrong:
            return await self.reset(request, wrong=wrong, email=body["email"])
        return self._page(request, Step("changed"))

    async def invitation(
        self, request: Request, *, token: str | None = None, wrong: Wrong | None = None, name: str | None = None
    ) -> Response:
        """What the link of an invitation leads to."""
        token = request.query_params.get("token", "") if token is None else token
        try:
            seen = await self._ask(request, "invitation/look", {"token": token})
        except Wrong as ended:
            return self._page(request, Step("ended" if ended.status == 404 else "not_now", wrong=ended))
        advice = Markup("<p class='about'>{}</p>").format(self._say(request, "doorstep.invitation.advice"))
        shown = f'autocomplete="name" maxlength="120" value="{escape(seen["name"] if name is None else name)}"'
        fields = _field(request, "name", shown) + _field(request, "new_password", _NEW_PASSWORD)
        body = advice + _hidden("token", token) + fields
        step = "driver_invitation" if seen["role"] == door_form.DRIVER else "invitation"
        return self._page(request, Step(step, "/auth/invitation", body, wrong, about=_place(seen)))

    async def accept(self, request: Request, form: Fields) -> Response:
        """The invited person is in: to the rooms, or first to the second factor. A driver's account is ready."""
        body = {"token": form.get("token", ""), "name": form.get("name", ""), "password": form.get("new_password", "")}
        try:
            self._desk.check_form(request, form.get("form_token", ""))
            login = await self._ask(request, "invitation/accept", body)
            if login["user"]["role"] == door_form.DRIVER:
                await self._desk.end(login)
                return self._page(request, Step("driver_ready", staff=False))
            return await self._desk.admit(request, login, "/")
        except Wrong as wrong:
            return await self.invitation(request, token=body["token"], wrong=wrong, name=body["name"])

    async def enrolment(self, request: Request, wrong: Wrong | None = None) -> Response:
        """A fresh secret as QR code and as text; a code of it proves that the telephone has it."""
        try:
            begun = await run_in_threadpool(self._api(request).post, "/api/auth/second-factor/enrolment", None)
        except (SignedOut, ApiRefused):
            return RedirectResponse("/login", 303)
        except ApiDown:
            return self._page(request, Step("not_now", wrong=Wrong("login.api_down", 503)))
        secret = Markup("<p class='about'>{} <code>{}</code></p>").format(
            self._say(request, "doorstep.enrolment.by_hand"), begun["secret"]
        )
        body = _qr(begun["uri"]) + secret + _field(request, "code", _CODE)
        return self._page(request, Step("enrolment", ENROLMENT, body, wrong))

    async def confirm(self, request: Request, form: Fields) -> Response:
        """The first code; then the recovery codes, this once."""
        try:
            self._desk.check_form(request, form.get("form_token", ""))
            api = self._api(request)
            body = {"code": form.get("code", "")}
            codes = await run_in_threadpool(api.post, "/api/auth/second-factor/confirmation", body)
            await run_in_threadpool(api.renew)
        except Wrong as wrong:
            return await self.enrolment(request, wrong)
        except SignedOut:
            return RedirectResponse("/login", 303)
        except (ApiDown, ApiRefused) as error:
            return await self.enrolment(request, _words_of(error))
        rows = Markup().join(Markup("<li><code>{}</code></li>").format(code) for code in codes["recovery_codes"])
        return self._page(request, Step("enrolled", body=Markup("<ul class='codes'>{}</ul>").format(rows)))

    def _sent(self, act: Callable[[Request, Fields], Any]) -> Callable[[Request], Any]:
        async def sent(request: Request) -> Response:
            length = request.headers.get("content-length", "")
            if (
                not length.isdecimal() or int(length) > _MOST_FORM_BYTES
            ):  # nobody is known yet: bounded before it is read
                return Response(status_code=413)
            form = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}
            answer: Response = await act(request, form)
            return answer

        return sent

    def _api(self, request: Request) -> Api:
        key = session_key(request.cookies.get(self._desk.cookie, ""))
        address = request.client.host if request.client else None
        return Api(self._desk.client, self._desk.store, key, lambda: address)

    async def _ask(self, request: Request, step: str, body: dict[str, Any]) -> Any:
        """One public call in the name of the browser. Raises Wrong."""
        headers = door_form.forwarded(request)
        try:
            path = route("auth", *step.split("/"))
            return await run_in_threadpool(ask, self._desk.client, "POST", path, body=body, headers=headers)
        except (ApiDown, ApiRefused) as error:
            raise _words_of(error) from error

    def _page(self, request: Request, step: Step) -> Response:
        language, token = _language(request), secrets.token_urlsafe(24)
        page = _PAGE.substitute(
            language=language,
            title=escape(say(language, f"doorstep.{step.name}.title")),
            about=escape(say(language, f"doorstep.{step.name}.about", **step.about)),
            notice=door_form.notice(language, step.wrong),
            content=_content(step, language, token) if step.staff else step.body,
            back=_back(language) if step.staff and step.action else "",
        )
        answer = HTMLResponse(page, step.wrong.status if step.wrong else 200, headers=door_form.HEADERS)
        self._desk.keep_form_token(answer, request, token)
        return answer

    @staticmethod
    def _say(request: Request, key: str, **values: str) -> str:
        return say(_language(request), key, **values)


def _language(request: Request) -> Language:
    cookie = request.cookies.get(door_form.LANGUAGE_COOKIE)
    return pick(request.query_params.get("lang"), cookie, request.headers.get("accept-language"))


def _content(step: Step, language: Language, token: str) -> Markup:
    """The form of a step, or what it shows with the way on."""
    button = say(language, f"doorstep.{step.name}.button")
    if not step.action:
        return step.body + Markup('<p><a class="button" href="/">{}</a></p>').format(button)
    sending = Markup('<form method="post" action="{}">{}{}<button type="submit">{}</button></form>')
    return sending.format(step.action, _hidden("form_token", token), step.body, button)


def _back(language: Language) -> Markup:
    return Markup('<p class="switch"><a href="/login">{}</a></p>').format(say(language, "doorstep.back"))


def _place(seen: dict[str, Any]) -> dict[str, str]:
    return {"email": seen["email"], "place": seen["cpo_name"] or "EMSV"}


def _hidden(name: str, value: str) -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, value)


def _field(request: Request, name: str, attributes: str) -> Markup:
    """A labelled field; `attributes` is HTML of ours, what is of others in it has been escaped."""
    label = say(_language(request), f"doorstep.field.{name}")
    return Markup('<label for="{}">{}</label><input id="{}" name="{}" required {}>').format(
        name, label, name, name, Markup(attributes)
    )


def _qr(uri: str) -> Markup:
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(drawn, kind="svg", scale=5, border=3, light="white")
    data = base64.b64encode(drawn.getvalue()).decode()
    return Markup('<img class="qr" alt="QR" src="data:image/svg+xml;base64,{}">').format(data)


def _words_of(error: ApiDown | ApiRefused) -> Wrong:
    if isinstance(error, ApiDown):
        return Wrong("login.api_down", 503)
    if error.status == 429:
        return Wrong("login.too_many", 429)
    key = f"doorstep.refused.{error.code}"
    return Wrong(key if known(key) else "doorstep.refused.other", error.status)
