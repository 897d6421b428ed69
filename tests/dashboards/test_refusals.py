"""Whatever the backend refuses with, a screen has words for it in both languages."""

import ast
import re
from collections.abc import Iterator

from dashboards.common.texts import catalogue
from tests.rules.tree import files, syntax, text

_CODE = re.compile(r"[a-z]+(_[a-z0-9]+)+|conflict|overlaps")
# What a screen never tells as a refusal, and why.
_ELSEWHERE = {
    # server errors that leave a person nothing to do but to try again: they show as "no answer"
    "answer_too_slow", "database_busy", "database_error", "database_full", "database_key_refused", "database_timeout",
    "database_unavailable", "internal_error", "mail_unavailable", "schema_outdated", "sso_unavailable",
    "unknown_function",
    # what no answer of the API bears: the start, the clock and the command line
    "audit_broken", "authority_sealed", "mail_refused", "migration_failed", "sealed_elsewhere",
    # before there is a login: the doors have pages and words of their own
    "applicant_token_invalid", "challenge_invalid", "login_failed", "refresh_token_invalid", "refresh_token_reused",
    "second_factor_required", "sso_failed", "sso_not_found", "sso_unknown_person", "token_expired", "token_invalid",
    "token_revoked",
    # chargers' own one-time links
    "link_not_found", "link_used",
}  # fmt: skip


def _codes() -> Iterator[str]:
    for path in files(".py", under="backend"):
        for node in ast.walk(syntax(path)):
            yield from _told(node)
    for path in files(".sql", under="supabase/migrations"):
        yield from re.findall(r"\bhint\s*=\s*'([a-z0-9_]+)'", text(path))


def _told(node: ast.AST) -> Iterator[str]:
    """`code="x"` in a call, `code = "x"` in a class or before one, the tables of states, a problem made by hand."""
    if isinstance(node, ast.Call):
        yield from (word for keyword in node.keywords if keyword.arg == "code" for word in _words(keyword.value))
        if getattr(node.func, "id", "") in ("problem_document", "error_for", "_misfit"):
            yield from (word for argument in node.args[:2] for word in _words(argument))
    elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
        yield from _words(node.value)
    elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") in ("_OUTCOMES", "_HTTP_CODES"):
        assert node.value is not None
        yield from _words(node.value)


def _words(node: ast.expr) -> list[str]:
    return [leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)]


def refusable() -> set[str]:
    """The codes that may come before a person."""
    return {code for code in _codes() if _CODE.fullmatch(code)} - _ELSEWHERE


def test_every_refusal_has_words_in_both_languages() -> None:
    codes = refusable()
    assert len(codes) > 80
    wordless = sorted(code for code in codes if f"api.refused.{code}" not in catalogue("id"))
    assert wordless == []
