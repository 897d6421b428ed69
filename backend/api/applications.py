"""Applying to become a CPO: open to everybody, with an address proven by a code instead of a login."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from backend.api.bodies import Body, EmailAddress, Name, ShortText, UuidPath, absent
from backend.api.dependencies import Services, caller_of
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.errors import Unauthenticated
from backend.domain.onboarding import DocumentKind
from backend.domain.scope import SYSTEM
from backend.services.applications import TOKEN_LIFE_S, Applicant, Registration
from backend.services.dossiers import Application, Document
from backend.services.users import Locale

public = APIRouter(prefix="/api/cpo/register", tags=["onboarding"])
router = APIRouter(prefix="/api/cpo/register", tags=["onboarding"], responses=responses(401, 429))
_token = HTTPBearer(auto_error=False, scheme_name="applicantToken", description="Token bought with a one-time code.")

Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
_CONTENT = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
"""OpenAPI of an answer that is a file."""


class NewRegistration(Body):
    """The first form of a company that wants to be a CPO."""

    email: EmailAddress = Field(description="E-mail address of the applicant: it gets the code and all news.")
    company: Name = Field(description="Name of the company, which the CPO will bear.")
    contact_name: Name = Field(description="Name of the applicant.")
    language: Locale = Field(default=Locale.INDONESIAN, description="Language of mails: `id` or `en`.")


class CodeRequest(Body):
    """Somebody who applied before and comes back."""

    email: EmailAddress = Field(description="The address that applied.")
    language: Locale = Field(default=Locale.INDONESIAN, description="Language of the mail: `id` or `en`.")


class CodeProof(Body):
    """The code that was mailed."""

    email: EmailAddress = Field(description="The address that it was mailed to.")
    code: str = Field(min_length=6, max_length=20, description="The six digits.")


class CodeSent(BaseModel):
    """The same answer for everybody."""

    status: Literal["code_sent"] = Field(
        default="code_sent", description="If the address can be reached, a code comes."
    )


class ApplicantToken(BaseModel):
    """What a code buys."""

    token: str = Field(description="Send as `Authorization: Bearer` to the routes of the applicant.")
    expires_in: int = Field(description="Life of the token in seconds.")


class Statement(Body):
    """What the application states; members left out stay as they are. Numbers may have dots, dashes and spaces."""

    company: Name = Field(default_factory=absent, description="Name of the company, which the CPO will bear.")
    contact_name: Name = Field(default_factory=absent, description="Name of the applicant.")
    language: Locale = Field(default_factory=absent, description="Language of mails: `id` or `en`.")
    nib: ShortText | None = Field(default=None, description="NIB, 13 digits.")
    npwp: ShortText | None = Field(default=None, description="NPWP, 16 digits (15 in its older form).")
    address: Annotated[str, Field(max_length=500)] | None = Field(default=None, description="Address of the company.")
    phone: ShortText | None = Field(default=None, description="Telephone number, 0… or +62….")
    bank_name: ShortText | None = Field(default=None, description="Bank of the account that is paid to.")
    bank_account: ShortText | None = Field(default=None, description="Number of the account, 6 to 20 digits.")
    bank_holder: ShortText | None = Field(default=None, description="Holder of the account.")
    spklu_numbers: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=200)] = Field(
        default_factory=absent, description="SPKLU identity numbers."
    )


class Answer(Body):
    """An answer to the EMSV's question."""

    message: Sentence = Field(description="The answer.")


class FirstPassword(Body):
    """The password of the first administrator."""

    password: str = Field(min_length=1, max_length=200, description="12 characters or more.")


async def applicant(
    services: Services, bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_token)]
) -> Applicant:
    """Whose token it is. Raises Unauthenticated."""
    if bearer is None:
        raise Unauthenticated("Send the applicant's token (Authorization: Bearer).")
    return await services.desk.applications.recognise(bearer.credentials)


Applying = Annotated[Applicant, Depends(applicant)]


def acting(request: Request, applying: Applying) -> Caller:
    """The applicant as the audit log names them."""
    return caller_of(request, SYSTEM, f"applicant {applying.contact_name} <{applying.email}>")


Acting = Annotated[Caller, Depends(acting)]


@public.post("", summary="Apply to become a CPO", status_code=202, responses=responses(429))
async def register_cpo(services: Services, body: NewRegistration) -> CodeSent:
    """Mails a one-time code to the address. The answer is the same whether or not it is known; some per hour."""
    wanted = Registration(body.email, body.company, body.contact_name, body.language)
    await services.desk.applications.register(wanted)
    return CodeSent()


@public.post("/code", summary="Ask for a new code", status_code=202, responses=responses(429))
async def send_registration_code(services: Services, body: CodeRequest) -> CodeSent:
    """For whoever applied before and comes back. The answer is always the same."""
    await services.desk.applications.send_code(body.email, body.language)
    return CodeSent()


@public.post("/verify", summary="Prove the address with the code", responses=responses(401, 429))
async def verify_registration(services: Services, body: CodeProof) -> ApplicantToken:
    """Gives a token for the application, made now if there was none. A code works once; five wrong ones end it."""
    token = await services.desk.applications.prove(body.email, body.code)
    return ApplicantToken(token=token, expires_in=TOKEN_LIFE_S)


@router.get("/application", summary="Read my application")
async def read_own_application(services: Services, applying: Applying) -> Application:
    """State, statements, documents, history, and what is missing."""
    return await services.desk.applications.read(applying)


@router.put("/application", summary="State something in my application", responses=responses(409))
async def state_application(services: Services, applying: Applying, caller: Acting, body: Statement) -> Application:
    """While it is a draft, or the EMSV has asked back; else 409 `step_conflict`."""
    return await services.desk.applications.state(caller, applying, body.sent())


@router.post(
    "/documents/{kind}", summary="Upload a document", status_code=201, responses=responses(409, 503, 507),
    openapi_extra=_CONTENT,
)  # fmt: skip
async def upload_application_document(
    services: Services,
    applying: Applying,
    caller: Acting,
    request: Request,
    kind: Annotated[DocumentKind, Path(description="What it proves: `nib`, `npwp`, `bank_account` or `spklu`.")],
    name: Annotated[Name, Query(description="File name.")],
) -> Document:
    """The body is the file: PDF, PNG or JPEG by its content, at most 10 MiB (413 `file_too_large`)."""
    return await services.desk.applications.add_document(caller, applying, kind, name, request.stream())


@router.delete("/documents/{document_id}", summary="Delete a document", status_code=204, responses=responses(409, 503))
async def delete_application_document(
    services: Services, applying: Applying, caller: Acting, document_id: UuidPath
) -> None:
    """One that is not there is no error."""
    await services.desk.applications.drop_document(caller, applying, document_id)


@router.get(
    "/documents/{document_id}/file",
    summary="Download my document",
    responses={**FILE, **responses(404, 503)},
    response_class=Response,
)
async def download_own_document(services: Services, applying: Applying, document_id: UuidPath) -> Response:
    """The file as it was uploaded."""
    return attachment(*await services.desk.applications.content(applying, document_id))


@router.post("/submit", summary="Hand my application in", responses=responses(409))
async def submit_application(services: Services, applying: Applying, caller: Acting) -> Application:
    """422 `application_incomplete` names what is missing."""
    return await services.desk.applications.submit(caller, applying)


@router.post("/answer", summary="Answer the EMSV's question", responses=responses(409))
async def answer_question(services: Services, applying: Applying, caller: Acting, body: Answer) -> Application:
    """Hands the application back to the EMSV."""
    return await services.desk.applications.answer(caller, applying, body.message)


@router.post("/password", summary="Set the first password", status_code=204, responses=responses(409))
async def set_first_password(services: Services, applying: Applying, caller: Acting, body: FirstPassword) -> None:
    """Once, after approval: the applicant is the CPO's first administrator and logs in with it."""
    await services.desk.applications.set_password(caller, applying, body.password)


def attachment(document: Document, content: object) -> StreamingResponse:
    """A stranger's file: saved, never opened in place."""
    headers = {
        "Content-Disposition": f'attachment; filename="{document.kind}-{document.id}"',
        "Content-Length": str(document.size_bytes),
    }
    return StreamingResponse(content, headers=headers, media_type="application/octet-stream")  # type: ignore[arg-type]
