"""What somebody should look at in the nation: chargers of all operators, strangers at the door, the platform."""

import streamlit as st

from dashboards.common import alarms, door
from dashboards.common.frame import live
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.emsv import data


def page(viewer: Viewer) -> None:
    alarms.room(viewer, {row["id"]: row["name"] for row in data.cpos(viewer).items})


st.title(t("emsv.alarms.title"))
live(door.EMSV, page)
