"""Filters that live in the address, so that a view can be shared, bookmarked and refreshed."""

from collections.abc import Callable, Sequence

import streamlit as st


def param(name: str) -> str | None:
    """A value of the address; empty counts as absent."""
    return st.query_params.get(name) or None


def set_param(name: str, value: str | None) -> None:
    if value:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def chips(name: str, label: str, options: Sequence[str], words: Callable[[str], str]) -> str | None:
    """One of `options` or None for all. The address holds the code, whatever the language of the words."""
    current = param(name)
    choice: str | None = st.segmented_control(
        label,
        options,
        default=current if current in options else None,
        format_func=words,
        key=f"choose_{name}",
        label_visibility="collapsed",
        wrap=True,
    )
    set_param(name, choice)
    return choice


def dropdown(name: str, label: str, options: Sequence[str], words: Callable[[str], str], none: str) -> str | None:
    """One of `options` or None, shown as `none`. Without options the address stays as it is."""
    current = param(name)
    if not options:
        return current
    choice: str | None = st.selectbox(
        label,
        ["", *options],
        index=options.index(current) + 1 if current in options else 0,
        format_func=lambda code: words(code) if code else none,
        key=f"choose_{name}",
    )
    set_param(name, choice)
    return choice or None


def search(name: str, label: str, hint: str, *, labelled: bool = False) -> str:
    """Free text, lower case, applied while typing pauses."""
    with st.container(key=f"search_{name}"):  # the slash key goes to the first of these
        text: str | None = st.text_input(
            label,
            key=name,
            placeholder=hint,
            icon=":material/search:",
            bind="query-params",
            live="400ms",
            label_visibility="visible" if labelled else "collapsed",
        )
    return (text or "").strip()
