"""What somebody should look at: chargers that misbehave, newest first."""

import streamlit as st

from dashboards.common import alarms, door
from dashboards.common.frame import live
from dashboards.common.texts import t

st.title(t("cpo.alarms.title"))
live(door.CPO, alarms.room)
