"""Who may log in, and what each role may do."""

import streamlit as st

from dashboards.common import door, people
from dashboards.common.frame import live
from dashboards.common.texts import t
from dashboards.common.viewer import require_viewer

person = require_viewer(door.CPO)
st.title(t("cpo.people.title"))
people.acts(person)
live(door.CPO, people.room, every=15)
people.permissions(person)
people.ask_if_pressed(door.CPO)
