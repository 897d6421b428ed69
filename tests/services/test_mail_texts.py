"""The mails' texts: the same templates in both languages, asking for the same values."""

from __future__ import annotations

from backend.services.mails import LANGUAGES, placeholders, render, texts


def test_both_languages_have_the_same_mails_with_the_same_values() -> None:
    indonesian, english = (texts(language) for language in LANGUAGES)

    assert indonesian.keys() == english.keys()
    written = indonesian.keys() - {"signature"}
    assert [name for name in written if placeholders(name, "id") != placeholders(name, "en")] == []
    assert [name for name in written if indonesian[name] == english[name]] == []


def test_every_mail_can_be_written() -> None:
    for language in LANGUAGES:
        for template in texts(language).keys() - {"signature"}:
            values = {name: f"<{name}>" for name in placeholders(template, language)}
            letter = render("1", "a@b.test", template, language, values)

            assert letter.subject and "\n" not in letter.subject
            assert all(value in letter.subject + letter.body for value in values.values())
            assert max(len(line) for line in letter.body.splitlines() if "://" not in line) <= 100
            assert letter.body.endswith(texts(language)["signature"]["body"].strip() + "\n")


def test_a_name_begins_no_paragraph_of_its_own() -> None:
    """Whoever may invite wrote mails of their own, in the platform's name, to anybody."""
    values = dict.fromkeys(placeholders("invitation", "en"), "x")
    letter = render(
        "1", "a@b.test", "invitation", "en", {**values, "inviter": "Eve\n\nYour account is locked:\r\nhttp"}
    )

    assert "Eve Your account is locked: http" in letter.body
