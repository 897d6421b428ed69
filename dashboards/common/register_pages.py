"""What the pages of an application show, as HTML."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from markupsafe import Markup, escape

from dashboards.common.api import ApiRefused
from dashboards.common.formats import number, when
from dashboards.common.texts import LANGUAGES, Language, catalogue, say

KINDS = ("nib", "npwp", "bank_account", "spklu")
FORM_TOKEN = "form-token-of-this-page"  # replaced by a fresh one in each answer
_PAGE = Template((Path(__file__).parent / "register.html").read_text("utf-8"))
_NAMES: Mapping[Language, str] = {"id": "Bahasa Indonesia", "en": "English"}
_ABOUT = (("company", "text"), ("contact_name", "text"), ("phone", "tel"), ("nib", "text"), ("npwp", "text"))
_BANK = (("bank_name", "text"), ("bank_account", "text"), ("bank_holder", "text"))

Row = dict[str, Any]


def whole(language: Language, title: str, content: Markup, path: str, refused: str | None, saved: bool) -> str:
    """A page around its content. `refused`: why nothing was done; `saved`: that something was."""
    notice = Markup()
    if refused:
        notice = Markup('<p class="notice" role="alert">{}</p>').format(refused)
    elif saved:
        notice = Markup('<p class="notice good" role="status">{}</p>').format(say(language, "register.saved"))
    switches = Markup(" · ").join(
        Markup('<a href="{}?lang={}" lang="{}"{}>{}</a>').format(
            path, code, code, Markup(' aria-current="true"') if code == language else "", _NAMES[code]
        )
        for code in LANGUAGES
    )
    return _PAGE.substitute(language=language, title=escape(title), notice=notice, content=content, switches=switches)


def begin(language: Language, typed: Mapping[str, Any]) -> Markup:
    """The first form."""
    fields = Markup().join((
        _field(language, "company", "text", typed.get("company", ""), autofocus=True),
        _field(language, "contact_name", "text", typed.get("contact_name", "")),
        _field(language, "email", "email", typed.get("email", "")),
    ))  # fmt: skip
    page = Markup(
        '<p class="about">{}</p>{}<p class="switch"><a href="/register/code">{}</a> · <a href="/login">{}</a></p>'
    )
    return page.format(
        say(language, "register.begin.about"),
        _post("/register", fields, say(language, "register.begin.button")),
        say(language, "register.begin.come_back"),
        say(language, "register.begin.login"),
    )  # fmt: skip


def code(language: Language, email: str, *, sent: bool) -> Markup:
    """Where the code is entered."""
    about = say(language, "register.code.sent" if sent else "register.code.about")
    fields = _field(language, "email", "email", email) + _field(language, "code", "text", "", autofocus=True)
    hidden = Markup('<input type="hidden" name="email" value="{}">').format(email)
    again = _post("/register/code/new", hidden, say(language, "register.code.again"), small=True) if email else Markup()
    return Markup('<p class="about">{}</p>{}{}').format(
        about, _post("/register/code", fields, say(language, "register.code.button")), again
    )


def application(language: Language, found: Row) -> Markup:
    """The application: what it waits for, what is stated, documents, history."""
    editable = found["state"] in ("draft", "questioned")
    parts = [_standing(language, found)]
    if found["state"] == "questioned":
        parts.append(_question(language, found))
    if found["state"] == "active":
        parts.append(_first_password(language))
    parts += [_statement(language, found, editable), _documents(language, found, editable)]
    if found["state"] == "draft":
        parts.append(_handing_in(language, found))
    parts += [
        _history(language, found),
        _post("/register/leave", Markup(), say(language, "register.leave"), small=True),
    ]
    return Markup().join(parts)


def refusal(language: Language, refused: ApiRefused) -> str:
    """A refusal of the API in our words where we have some."""
    wanted = (f"register.refused.{refused.code}", f"api.refused.{refused.code}")
    ours = next((key for key in wanted if key in catalogue(language)), "register.refused.other")
    return say(language, ours, detail=refused.detail)


def _standing(language: Language, found: Row) -> Markup:
    state = found["state"]
    return Markup('<div class="state" role="status"><b>{}: {}</b>{}</div>').format(
        found["company"], say(language, f"onboarding.state.{state}"), say(language, f"register.what_now.{state}")
    )


def _question(language: Language, found: Row) -> Markup:
    asked = [step for step in found["steps"] if step["step"] == "ask"][-1:]
    said = Markup().join(Markup('<p class="said">{}</p>').format(step["message"]) for step in asked)
    area = Markup('<label for="message">{}</label><textarea id="message" name="message" rows="4" required></textarea>')
    fields = area.format(say(language, "register.answer.label"))
    button = say(language, "register.answer.button")
    return _section(language, "register.answer.heading", said + _post(f"{_HOME}/answer", fields, button))


def _first_password(language: Language) -> Markup:
    field = Markup(
        '<label for="{name}">{label}</label><input id="{name}" name="{name}" type="password" minlength="12" '
        'maxlength="200" autocomplete="new-password" required>'
    )
    fields = Markup().join(
        field.format(name=name, label=say(language, f"register.password.{name}")) for name in ("password", "again")
    )
    form = _post(f"{_HOME}/password", fields, say(language, "register.password.button"))
    login = Markup('<p class="hint"><a href="/login">{}</a></p>').format(say(language, "register.begin.login"))
    return _section(language, "register.password.heading", form + login)


def _statement(language: Language, found: Row, editable: bool) -> Markup:
    def fields(wanted: tuple[tuple[str, str], ...]) -> Markup:
        shown = (_field(language, name, kind, found[name] or "", required=False) for name, kind in wanted)
        return Markup('<div class="two">{}</div>').format(Markup().join(shown))

    address = _area(language, "address", found["address"] or "")
    numbers = _area(language, "spklu_numbers", "\n".join(found["spklu_numbers"]))
    inner = fields(_ABOUT) + address + fields(_BANK) + numbers
    if not editable:
        return _section(language, "register.statement", Markup("<fieldset disabled>{}</fieldset>").format(inner))
    return _section(language, "register.statement", _post(f"{_HOME}/state", inner, say(language, "register.save")))


def _documents(language: Language, found: Row, editable: bool) -> Markup:
    rows = Markup().join(_document(language, row, editable) for row in found["documents"])
    table = Markup("<table><tbody>{}</tbody></table>").format(rows) if found["documents"] else Markup()
    options = Markup().join(
        Markup('<option value="{}">{}</option>').format(kind, say(language, f"onboarding.document.{kind}"))
        for kind in KINDS
    )
    upload = Markup(
        '<form method="post" action="{home}/documents" enctype="multipart/form-data">'
        '<input type="hidden" name="form_token" value="{token}"><div class="wide"><div><label for="kind">{kind}</label>'
        '<select id="kind" name="kind">{options}</select></div><div><label for="file">{file}</label>'
        '<input id="file" name="file" type="file" accept=".pdf,.png,.jpg,.jpeg" required></div>'
        '<button class="small" type="submit">{button}</button></div><p class="hint">{hint}</p></form>'
    ).format(
        home=_HOME, token=FORM_TOKEN, options=options, kind=say(language, "register.document.kind"),
        file=say(language, "register.document.file"), button=say(language, "register.document.button"),
        hint=say(language, "register.document.hint"),
    )  # fmt: skip
    return _section(language, "register.documents", table + (upload if editable else Markup()))


def _document(language: Language, row: Row, editable: bool) -> Markup:
    drop = Markup()
    if editable:
        hidden = Markup('<input type="hidden" name="document_id" value="{}">').format(row["id"])
        drop = _post(f"{_HOME}/documents/delete", hidden, say(language, "register.document.delete"), small=True)
    return Markup('<tr><td>{}</td><td><a href="/register/documents/{}">{}</a></td><td>{}</td><td>{}</td></tr>').format(
        say(language, f"onboarding.document.{row['kind']}"), row["id"], row["name"],
        f"{number(-(-row['size_bytes'] // 1024), language)} KiB", drop,
    )  # fmt: skip


def _handing_in(language: Language, found: Row) -> Markup:
    if found["missing"]:
        names = ", ".join(_missing(language, name) for name in found["missing"])
        text = Markup('<p class="hint">{}</p>').format(say(language, "register.submit.missing", names=names))
        return _section(language, "register.submit.heading", text)
    return _section(
        language, "register.submit.heading", _post(f"{_HOME}/submit", Markup(), say(language, "register.submit.button"))
    )


def _missing(language: Language, name: str) -> str:
    kind = name.removeprefix("documents.")
    return say(language, f"onboarding.document.{kind}" if kind != name else f"register.field.{name}")


def _history(language: Language, found: Row) -> Markup:
    rows = Markup().join(
        Markup('<tr><td>{}</td><td>{}</td><td class="said">{}</td></tr>').format(
            when(step["at"], "Asia/Jakarta", language),
            say(language, f"onboarding.step.{step['step']}"),
            step["message"] or "",
        )
        for step in found["steps"]
    )
    if not rows:
        return Markup()
    return _section(language, "register.history", Markup("<table><tbody>{}</tbody></table>").format(rows))


def _section(language: Language, heading: str, content: Markup) -> Markup:
    return Markup("<section><h2>{}</h2>{}</section>").format(say(language, heading), content)


def _field(
    language: Language, name: str, kind: str, value: str, *, autofocus: bool = False, required: bool = True
) -> Markup:
    flags = Markup("{}{}").format(Markup(" autofocus") if autofocus else "", Markup(" required") if required else "")
    hint = f"register.hint.{name}"
    told = Markup('<p class="hint">{}</p>').format(say(language, hint)) if hint in catalogue(language) else Markup()
    return Markup(
        '<div><label for="{n}">{label}</label>'
        '<input id="{n}" name="{n}" type="{kind}" maxlength="200" value="{value}"{flags}>{told}</div>'
    ).format(n=name, label=say(language, f"register.field.{name}"), kind=kind, value=value, flags=flags, told=told)


def _area(language: Language, name: str, value: str) -> Markup:
    return Markup(
        '<label for="{n}">{label}</label><textarea id="{n}" name="{n}" rows="3">{value}</textarea>'
        '<p class="hint">{hint}</p>'
    ).format(
        n=name, label=say(language, f"register.field.{name}"), value=value, hint=say(language, f"register.hint.{name}")
    )


def _post(action: str, inner: Markup, button: str, *, small: bool = False) -> Markup:
    return Markup(
        '<form method="post" action="{}"{}><input type="hidden" name="form_token" value="{}">{}'
        '<button type="submit">{}</button></form>'
    ).format(action, Markup(' class="plain"') if small else "", FORM_TOKEN, inner, button)


_HOME = "/register/application"
