"""Files to save: made in the run of the person who pressed, in their name and with the filters on their screen.

Streamlit could also make a file in a thread of its own once its button is pressed. No session stands behind such a
thread: no filters, no language, no address for the audit log, no place to say that the API refused; and what it keeps
in "its" state is kept for everybody. So `st.download_button` gets bytes, and nothing else.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.formats import number
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import csv_bytes, failed

LIST_CAP = 10_000
"""Rows of a file at most."""
KEPT_S = 300
_MADE = "made_file"


@dataclass(frozen=True, slots=True)
class Made:
    """The file that waits to be saved, and of what it was made: login, button, filters. `at`: monotonic seconds."""

    of: tuple[Any, ...]
    name: str
    content: bytes
    at: float


def offer(
    viewer: Viewer,
    key: str,
    label: str,
    make: Callable[[], bytes],
    *,
    of: Any = None,
    name: str,
    mime: str,
    help: str | None = None,
    disabled: bool = False,
) -> None:
    """A button that makes the file, and in its place, once there is one, the button that saves it.

    `of`: the filters that `make` uses; under others the file is made anew. A person has one file at a time, for
    KEPT_S. A refusal, or no answer, is said beside the button.
    """
    what = (viewer.key, key, of)
    place = st.empty()
    made = _made(what)
    if made is None:
        if not place.button(label, icon=":material/description:", key=f"make_{key}", help=help, disabled=disabled):
            return
        made = _make(what, make, name)
        if made is None:
            return
    size = number(-(-len(made.content) // 1024), viewer.language)
    place.download_button(
        t("file.save", name=made.name, size=size),
        made.content,
        file_name=made.name,
        mime=mime,
        icon=":material/download:",
        help=t("file.save_help"),
        key=f"save_{key}",
        type="primary",
        on_click="ignore",
    )


def of_list(
    viewer: Viewer, path: str, wanted: Mapping[str, Any], columns: Sequence[str], name: str, words: str = "csv.whole"
) -> None:
    """Offers a list of the API beyond the page on the screen, up to LIST_CAP rows; `wanted` are its filters. `words`:
    the label's text, beside which stands that of the help."""
    offer(
        viewer,
        name,
        t(words),
        lambda: csv_bytes(viewer.api.pages(path, LIST_CAP, **wanted)[0], columns),
        of=(path, *sorted(wanted.items(), key=str)),
        name=stamped(f"uniev-{name}", "csv"),
        mime="text/csv",
        help=t(f"{words}_help", n=number(LIST_CAP, viewer.language)),
    )


def stamped(stem: str, ending: str) -> str:
    """A file name that tells when it was made: `uniev-sessions-20261130-0930Z.csv`."""
    return f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M}Z.{ending}"


def _made(what: tuple[Any, ...]) -> Made | None:
    made: Made | None = st.session_state.get(_MADE)
    return made if made and made.of == what and time.monotonic() - made.at < KEPT_S else None


def _make(what: tuple[Any, ...], make: Callable[[], bytes], name: str) -> Made | None:
    """None when the API refused or did not answer, which has been said."""
    st.session_state.pop(_MADE, None)
    try:
        with st.spinner(t("file.making")):
            content = make()
    except ApiDown:
        st.error(t("file.down"), icon=":material/cloud_off:")
        return None
    except ApiRefused as refusal:
        failed(refusal)
        return None
    made = st.session_state[_MADE] = Made(what, name, content, time.monotonic())
    return made
