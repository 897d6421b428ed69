"""Keys of programs."""

import streamlit as st

from dashboards.common import api_keys, door
from dashboards.common.frame import live
from dashboards.common.texts import t
from dashboards.common.viewer import require_viewer

person = require_viewer(door.EMSV)
st.title(t("emsv.api_keys.title"))
api_keys.acts(person)
live(door.EMSV, api_keys.room, every=15)
api_keys.ask_if_pressed(door.EMSV)
