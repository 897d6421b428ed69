"""Who did what: the audit log."""

import streamlit as st

from dashboards.common import audit, door
from dashboards.common.frame import live
from dashboards.common.texts import t
from dashboards.common.viewer import require_viewer

person = require_viewer(door.CPO)
st.title(t("cpo.audit.title"))
audit.choose()
live(door.CPO, audit.room, every=15)
audit.export(person)
