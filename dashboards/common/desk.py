"""Reading for the rooms: one shared short cache per tenant and role, and the last good answer when the API is down."""

import time
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboards.common.api import Api, ApiDown, ApiRefused
from dashboards.common.viewer import Viewer

FRESH_S = 1.9
_KEPT = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said and when (Unix seconds). `down` marks an old answer shown because no new one came."""

    data: Any
    at: float
    more: bool = False
    down: bool = False

    @property
    def items(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.data if isinstance(self.data, list) else self.data["items"]
        return rows


@st.cache_data(ttl=FRESH_S, max_entries=400, show_spinner=False)
def _shared(
    api_url: str, cpo_id: str | None, role: str, path: str, cap: int, params: tuple[Any, ...], _api: Api
) -> Answer:
    # Tenant, role and filters are plain arguments because underscore arguments are no part of the cache key.
    if cap:
        rows, more = _api.pages(path, cap, **dict(params))
        return Answer(rows, time.time(), more=more)
    return Answer(_api.get(path, **dict(params)), time.time())


def read(viewer: Viewer, path: str, *, cap: int = 0, **params: Any) -> Answer:
    """GET, at most two seconds old. With `cap` all pages of a list up to that many rows.

    Raises ApiRefused, SignedOut, and ApiDown when there is not even an old answer to show.
    """
    wanted = tuple(sorted((k, v) for k, v in params.items() if v is not None))
    kept = _kept()
    name = (viewer.key, path, cap, wanted)
    try:
        answer: Answer = _shared(viewer.api_url, viewer.cpo_id, viewer.role, path, cap, wanted, viewer.api)
    except ApiDown:
        if name not in kept:
            raise
        answer = replace(kept[name], down=True)
        st.session_state["api_down"] = True
    kept.pop(name, None)
    kept[name] = answer
    while len(kept) > _KEPT:
        kept.pop(next(iter(kept)))
    return answer


def _kept() -> dict[tuple[Any, ...], Answer]:
    """The last good answers of the person before the screen. RuntimeError where no screen is.

    In a thread without a session, Streamlit's state is one for the whole process: one CPO would read another's rows.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        raise RuntimeError("Answers are kept for one person's session, and here is none.")
    kept: dict[tuple[Any, ...], Answer] = st.session_state.setdefault("kept_answers", {})
    return kept


def forget() -> None:
    """After a change of ours: the next read asks the API again."""
    _shared.clear()


def find(viewer: Viewer, path: str, **params: Any) -> Answer | None:
    """Like read, but None for what does not exist or belongs to somebody else."""
    try:
        return read(viewer, path, **params)
    except ApiRefused as refusal:
        if refusal.status in (404, 422):
            return None
        raise
