"""Filters that live in the address, so that a view can be shared, bookmarked and refreshed.

Streamlit keeps what was chosen in a widget, also when a link within the room, or the way back, says something else:
`heed` lets the address count whenever it was changed by anything but the widget.
"""

from collections.abc import Callable, Collection, Sequence

import streamlit as st


def param(name: str) -> str | None:
    """A value of the address; empty counts as absent."""
    return st.query_params.get(name) or None


def set_param(name: str, value: str | None) -> None:
    if value:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def heed(name: str, key: str, options: Collection[str | None], none: str | None) -> None:
    """Before a widget is drawn: puts what the address says of `name` into it; `none` for nothing, or no option."""
    current, state = param(name), st.session_state
    if key not in state or state[key] not in options or state.get(f"address_{key}") != (current,):
        state[key] = current if current in options else none


def note(name: str, key: str, choice: str | None) -> None:
    """After it was drawn: what was chosen stands in the address, and was not changed by a link."""
    set_param(name, choice)
    st.session_state[f"address_{key}"] = (param(name),)


def chips(name: str, label: str, options: Sequence[str], words: Callable[[str], str]) -> str | None:
    """One of `options` or None for all. The address holds the code, whatever the language of the words."""
    key = f"choose_{name}"
    heed(name, key, (*options, None), None)
    choice: str | None = st.segmented_control(
        label, options, format_func=words, key=key, label_visibility="collapsed", wrap=True
    )
    note(name, key, choice)
    return choice


def dropdown(name: str, label: str, options: Sequence[str], words: Callable[[str], str], none: str) -> str | None:
    """One of `options` or None, shown as `none`. Without options the address stays as it is."""
    if not options:
        return param(name)
    key = f"choose_{name}"
    heed(name, key, ("", *options), "")
    choice: str | None = st.selectbox(
        label, ["", *options], format_func=lambda code: words(code) if code else none, key=key
    )
    note(name, key, choice)
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
