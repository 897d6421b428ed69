"""No stack trace for what can happen on any day: in a room, in a region of it, and in a dialog."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from dashboards.common.api import ApiDown, ApiRefused, SignedOut
from dashboards.common.viewer import leave
from dashboards.common.widgets import empty, failed


@contextmanager
def forgiving(key: str) -> Iterator[None]:
    """Says in words: signed out elsewhere, no answer, a refusal."""
    try:
        yield
    except SignedOut:
        leave()
    except ApiDown:
        empty("api.down.empty", key=f"{key}_down")
    except ApiRefused as refusal:
        failed(refusal)


def ask(title: str, body: Callable[..., None], *given: object, icon: str | None = None) -> None:
    """Opens a dialog that draws `body(*given)`. Streamlit hands on a failure inside a dialog as one of its own, past
    the room's forgiving and with the rest of the page undrawn: so it is caught here."""

    def forgiven() -> None:
        with forgiving("dialog"):
            body(*given)

    st.dialog(title, icon=icon)(forgiven)()
