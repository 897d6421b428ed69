"""Dashboard for EMSV, the platform's own staff: `streamlit run dashboard_emsv.py`. The rooms are in dashboards/emsv."""

import streamlit as st

from dashboards.common import door
from dashboards.emsv import geo

app = st.App(
    "dashboards/emsv/main.py",
    routes=[*door.routes(door.EMSV), *geo.routes()],
    middleware=door.middleware(door.EMSV),
    lifespan=door.lifespan,
)
