"""Screen of the charger simulator: `streamlit run simev.py`. The pages are in dashboards/simulator."""

import streamlit as st
from starlette.middleware import Middleware

from dashboards.simulator.first_page import FirstPage
from dashboards.simulator.garage import lifespan

app = st.App("dashboards/simulator/main.py", lifespan=lifespan, middleware=[Middleware(FirstPage)])
