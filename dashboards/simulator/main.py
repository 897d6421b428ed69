"""Navigation of the simulator's screen, under a banner that says what it is."""

from pathlib import Path

import streamlit as st
from markupsafe import Markup

from dashboards.common.texts import LANGUAGES, language, pick, use_language
from dashboards.simulator.looks import CSS
from dashboards.simulator.texts import w

_ASSETS = Path(__file__).parent.parent / "assets"

if "simulator_language" not in st.session_state:
    st.session_state["simulator_language"] = pick(st.context.locale)
use_language(st.session_state["simulator_language"])

st.set_page_config(page_title="UNIEV Simulator", page_icon=str(_ASSETS / "mark.svg"), layout="wide")
st.logo(str(_ASSETS / "brand.svg"), size="large")
page = st.navigation(
    [
        st.Page("bench.py", title=w("title.bench"), icon=":material/ev_station:", url_path="bench", default=True),
        st.Page("history.py", title=w("title.history"), icon=":material/history:", url_path="history"),
    ]
)
st.html(CSS)
st.html(
    Markup('<div class="sim-banner" role="note"><b>{}</b> <span>{}</span></div>').format(w("banner"), w("banner.text"))
)
with st.sidebar:
    chosen = st.segmented_control(
        w("language"),
        LANGUAGES,
        default=language(),
        format_func=lambda code: {"id": "Indonesia", "en": "English"}[code],
        key="choose_language",
        required=True,
    )
    if chosen != language():
        st.session_state["simulator_language"] = chosen
        st.rerun()
page.run()
