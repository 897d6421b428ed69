"""Dashboard for CPO staff: `streamlit run dashboard_cpo.py`. The rooms are in dashboards/cpo."""

import streamlit as st

from dashboards.common import door

app = st.App(
    "dashboards/cpo/main.py",
    routes=door.routes(door.CPO),
    middleware=door.middleware(door.CPO),
    lifespan=door.lifespan,
)
