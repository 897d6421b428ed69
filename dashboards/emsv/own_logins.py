"""One's own logins, password and second factor."""

import streamlit as st

from dashboards.common import door, own_logins
from dashboards.common.texts import t
from dashboards.common.viewer import require_viewer

person = require_viewer(door.EMSV)
st.title(t("emsv.own_logins.title"))
own_logins.room(person)
own_logins.password(door.EMSV)
own_logins.factor(person)
