"""The public pages on which a company applies to become a CPO, outside Streamlit and before any login.

The applicant's token is kept in an HttpOnly cookie for these pages alone; every form carries a token of its own.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboards.common import register_pages as pages
from dashboards.common.api import ApiDown, ApiRefused, ask, passed_on, route
from dashboards.common.login import HEADERS, LANGUAGE_COOKIE
from dashboards.common.texts import LANGUAGES, Language, pick, say

HOME = "/register/application"
MOST_FILE_BYTES = 10 * 2**20
_API = ("cpo", "register")
_COOKIE = "uniev_applicant"
_FORM_COOKIE = "uniev_register_form"
_LIFE_S = 12 * 3600
_MOST_FORM_BYTES = 64 * 1024
_MOST_BYTES = MOST_FILE_BYTES + _MOST_FORM_BYTES
_STATED = ("company", "contact_name", "nib", "npwp", "address", "phone", "bank_name", "bank_account", "bank_holder")

Fields = Mapping[str, str]


class _Refused(Exception):
    """Why nothing was done: words for the reader, and the HTTP status of the page."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.words, self.status = words, status


@dataclass(frozen=True, slots=True)
class Form:
    """What a browser sent: its fields, and a file if there is one."""

    fields: Fields
    file: tuple[str, bytes] | None = None

    def get(self, name: str) -> str:
        return self.fields.get(name, "").strip()


class RegisterDesk:
    """Registration, the mailed code, and the application itself."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def routes(self) -> list[BaseRoute]:
        acts: dict[str, Callable[[Request, Form, Language], Any]] = {
            "state": self._state, "documents": self._upload, "documents/delete": self._drop, "submit": self._submit,
            "answer": self._answer, "password": self._password,
        }  # fmt: skip
        return [
            Route("/register", self.begin, methods=["GET"]),
            Route("/register", self.register, methods=["POST"]),
            Route("/register/code", self.ask_code, methods=["GET"]),
            Route("/register/code", self.prove, methods=["POST"]),
            Route("/register/code/new", self.send_again, methods=["POST"]),
            Route("/register/leave", self.leave, methods=["POST"]),
            Route(HOME, self.application, methods=["GET"]),
            Route("/register/documents/{document_id:uuid}", self.download, methods=["GET"]),
            *(Route(f"{HOME}/{name}", self._acting(act), methods=["POST"]) for name, act in acts.items()),
        ]

    async def begin(self, request: Request) -> Response:
        """The first form."""
        return self._page(request, pages.begin(_language(request), {}), "register.begin.title")

    async def register(self, request: Request) -> Response:
        """Asks for a code; on to where it is entered, whoever asked."""
        language, form = _language(request), Form({})
        try:
            form = await _form(request, language)
            body = {name: form.get(name) for name in ("email", "company", "contact_name")}
            await self._ask(request, "POST", body={**body, "language": language})
        except _Refused as refused:
            return self._page(request, pages.begin(language, form.fields), "register.begin.title", refused)
        return _see(f"/register/code?{httpx.QueryParams(email=form.get('email'), sent='1')}")

    async def ask_code(self, request: Request) -> Response:
        """Where the code is entered, also by whoever comes back later."""
        return self._code_page(request)

    async def send_again(self, request: Request) -> Response:
        """A new code, whoever asks for it."""
        language = _language(request)
        try:
            form = await _form(request, language)
            await self._ask(request, "POST", "code", body={"email": form.get("email"), "language": language})
        except _Refused as refused:
            return self._code_page(request, refused)
        return _see(f"/register/code?{httpx.QueryParams(email=form.get('email'), sent='1')}")

    async def prove(self, request: Request) -> Response:
        """The right code opens the application."""
        try:
            form = await _form(request, _language(request))
            body = {"email": form.get("email"), "code": form.get("code")}
            bought = await self._ask(request, "POST", "verify", body=body)
        except _Refused as refused:
            return self._code_page(request, refused)
        answer = _see(HOME)
        _set(answer, request, _COOKIE, bought["token"], _LIFE_S)
        return answer

    async def application(self, request: Request) -> Response:
        """State, statements, documents and what can be done now."""
        return await self._application_page(request)

    async def download(self, request: Request) -> Response:
        """One of the applicant's own files, to be saved."""
        document_id = str(request.path_params["document_id"])
        try:
            content = await self._ask(request, "GET", "documents", document_id, "file", raw=True)
        except _Refused as refused:
            return await self._application_page(request, refused)
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    async def leave(self, request: Request) -> Response:
        """Forgets the applicant on this machine."""
        answer = _see("/register/code")
        answer.delete_cookie(_COOKIE, path="/register")
        return answer

    def _acting(self, act: Callable[[Request, Form, Language], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            if _COOKIE not in request.cookies:
                return _see("/register/code")
            language = _language(request)
            try:
                answer: Response | None = await act(request, await _form(request, language), language)
            except _Refused as refused:
                return await self._application_page(request, refused)
            return answer or _see(f"{HOME}?saved=1")

        return endpoint

    async def _state(self, request: Request, form: Form, language: Language) -> None:
        numbers = [line for line in form.get("spklu_numbers").replace(",", "\n").splitlines() if line.strip()]
        stated: dict[str, Any] = {name: form.get(name) or None for name in _STATED}
        body = {**stated, "spklu_numbers": numbers, "language": language}
        await self._ask(request, "PUT", "application", body=body)

    async def _upload(self, request: Request, form: Form, language: Language) -> None:
        if form.file is None:
            raise _Refused(say(language, "register.no_file"), 422)
        name, content = form.file
        kind = form.get("kind") if form.get("kind") in pages.KINDS else pages.KINDS[0]
        await self._ask(request, "POST", "documents", kind, params={"name": name[-120:] or kind}, content=content)

    async def _drop(self, request: Request, form: Form, language: Language) -> None:
        await self._ask(request, "DELETE", "documents", str(form.get("document_id")))

    async def _submit(self, request: Request, form: Form, language: Language) -> None:
        await self._ask(request, "POST", "submit")

    async def _answer(self, request: Request, form: Form, language: Language) -> None:
        await self._ask(request, "POST", "answer", body={"message": form.get("message")})

    async def _password(self, request: Request, form: Form, language: Language) -> Response:
        if form.fields.get("password") != form.fields.get("again"):
            raise _Refused(say(language, "register.passwords_differ"), 422)
        await self._ask(request, "POST", "password", body={"password": form.fields.get("password", "")})
        answer = _see("/login")
        answer.delete_cookie(_COOKIE, path="/register")
        return answer

    async def _application_page(self, request: Request, refused: _Refused | None = None) -> Response:
        if _COOKIE not in request.cookies:
            return _see("/register/code")
        try:
            application = await self._ask(request, "GET", "application")
        except _Refused as lost:
            return self._code_page(request, lost)
        content = pages.application(_language(request), application)
        return self._page(request, content, "register.application.title", refused)

    def _code_page(self, request: Request, refused: _Refused | None = None) -> Response:
        query = request.query_params
        content = pages.code(_language(request), query.get("email", ""), sent=query.get("sent") == "1")
        return self._page(request, content, "register.code.title", refused)

    async def _ask(self, request: Request, method: str, *parts: str, **more: Any) -> Any:
        """The API in the applicant's name, who is told apart by their own network address. Raises _Refused."""
        headers = passed_on(request.client.host if request.client else None)
        if token := request.cookies.get(_COOKIE):
            headers["Authorization"] = f"Bearer {token}"
        language = _language(request)
        try:
            return await run_in_threadpool(ask, self._client, method, route(*_API, *parts), headers=headers, **more)
        except ApiDown as down:
            raise _Refused(say(language, "login.api_down"), 503) from down
        except ApiRefused as refusal:
            raise _Refused(pages.refusal(language, refusal), refusal.status) from refusal

    def _page(self, request: Request, content: Markup, title: str, refused: _Refused | None = None) -> Response:
        language, token = _language(request), secrets.token_urlsafe(24)
        saved = request.query_params.get("saved") == "1"
        body = pages.whole(
            language, say(language, title), content, request.url.path, refused.words if refused else None, saved
        )
        answer = HTMLResponse(
            body.replace(pages.FORM_TOKEN, token), refused.status if refused else 200, headers=HEADERS
        )
        _set(answer, request, _FORM_COOKIE, token, _LIFE_S)
        if (asked := request.query_params.get("lang")) in LANGUAGES:
            _set(answer, request, LANGUAGE_COOKIE, str(asked), 365 * 24 * 3600, path="/")
        return answer


def _language(request: Request) -> Language:
    wishes = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE))
    return pick(*wishes, request.headers.get("accept-language"))


async def _form(request: Request, language: Language) -> Form:
    """Reads a form from our own page, bounded before it is read. Raises _Refused."""
    files = request.url.path.endswith("/documents")
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > (_MOST_BYTES if files else _MOST_FORM_BYTES):
        raise _Refused(say(language, "register.too_large"), 413)
    sent = await request.form(max_files=1, max_fields=30)
    fields = {name: value for name, value in sent.items() if isinstance(value, str)}
    origin = request.headers.get("origin")
    foreign = origin is not None and origin.split("://")[-1] != request.headers.get("host")
    expected = request.cookies.get(_FORM_COOKIE, "")
    if foreign or not expected or not hmac.compare_digest(expected.encode(), fields.get("form_token", "").encode()):
        raise _Refused(say(language, "login.stale_form"), 403)
    file = sent.get("file")
    if isinstance(file, UploadFile) and file.filename:
        return Form(fields, (file.filename, await file.read()))
    return Form(fields)


def _see(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})


def _set(answer: Response, request: Request, name: str, value: str, life_s: int, path: str = "/register") -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, max_age=life_s, httponly=True, secure=secure, samesite="lax", path=path)
