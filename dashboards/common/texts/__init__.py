"""Every word on the screens, in Indonesian and English: `t("key")` over two catalogues with the same keys."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import streamlit as st

Language = Literal["id", "en"]
LANGUAGES: tuple[Language, ...] = ("id", "en")
_STATE = "language"


@lru_cache(maxsize=2)
def catalogue(language: Language) -> Mapping[str, str]:
    """All texts of one language, keys joined with dots (`overview.title`)."""
    texts: dict[str, str] = {}
    for file in sorted((Path(__file__).parent / language).glob("*.toml")):
        _flatten(tomllib.loads(file.read_text("utf-8")), "", texts)
    return texts


def say(language: Language, key: str, **values: Any) -> str:
    """A text in a given language. Raises KeyError for a key that no catalogue has."""
    text = catalogue(language)[key]
    return text.format(**values) if values else text


def t(key: str, **values: Any) -> str:
    """A text in the language of the person before the screen."""
    return say(language(), key, **values)


def known(key: str) -> bool:
    """Whether a key built from outside data (an OCPP code, say) has words of ours."""
    return key in catalogue(language())


def language() -> Language:
    return "en" if st.session_state.get(_STATE) == "en" else "id"


def use_language(choice: Language) -> None:
    st.session_state[_STATE] = choice


def pick(*wishes: str | None) -> Language:
    """The first wish that names a language we have (`en-GB` is English); Indonesian otherwise."""
    for wish in wishes:
        for known_language in LANGUAGES:
            if wish and wish.lower().startswith(known_language):
                return known_language
    return "id"


def _flatten(tree: Mapping[str, Any], prefix: str, into: dict[str, str]) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{name}.", into)
        else:
            into[prefix + name] = value
