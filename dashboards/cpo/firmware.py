"""Firmware and logs: files, jobs with their steps, uploaded logs. `?charger=…`"""

from __future__ import annotations

from functools import partial

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door, exports
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.choices import param
from dashboards.common.desk import read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw
from dashboards.common.places import charger_picker
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, csv_button, empty, failed, line
from dashboards.cpo import data, deeds
from dashboards.cpo.deeds import Deed, Row

FILES = ("name", "version", "for", "size", "sha256", "uploaded")
JOBS = ("what", "status", "steps", "version", "effect", "actor", "at")
LOGS = ("kind", "status", "steps", "file", "actor", "at")
KINDS = ("diagnostics", "diagnostics_log", "security_log")
BAD = ("failed", "rejected", "timed_out", "expired", "no_effect")


def choose(viewer: Viewer) -> None:
    charger_picker(viewer, t("config.column.charger"), t("config.choose"))


def room(viewer: Viewer) -> None:
    """One charger's jobs; without one, the files of firmware."""
    charger_id = param("charger")
    if not charger_id:
        return files(viewer)
    found = data.charger(viewer, charger_id)
    if found is None:
        return empty("charger.none", key="no_charger")
    version = t("firmware.runs", version=found.data["firmware_version"] or "–")
    draw(as_of(found, version), "as_of")
    _jobs(viewer, charger_id, found.data["station_timezone"])
    _logs(viewer, charger_id, found.data["station_timezone"])


def files(viewer: Viewer) -> None:
    """What may be installed."""
    st.subheader(t("firmware.files"))
    answer = read(viewer, "/api/firmware-files", cap=500)
    if not answer.items:
        return empty("firmware.no_files", key="no_files")
    draw(as_of(answer), "as_of")
    draw(deeds.grid("firmware", FILES, [_file(row, viewer) for row in answer.items]), "files")
    columns = ("name", "version", "vendor", "model", "size_bytes", "sha256", "uploaded_by_name", "created_at")
    csv_button(answer.items, columns, "firmware-files", more=answer.more)
    if viewer.may("firmware:write"):
        for row in answer.items[:20]:
            deed = Deed(
                "delete_firmware", f"{row['name']} {row['version']}", "DELETE", route("firmware-files", row["id"])
            )
            deeds.button(deed, viewer, place=row["id"], icon=":material/delete:")


def _file(row: Row, viewer: Viewer) -> Markup:
    size = f"{f.number(row['size_bytes'] / 1024, viewer.language)} KiB"
    purpose = " ".join(filter(None, (row["vendor"], row["model"]))) or "–"
    return line(
        Markup("<b>{}</b>").format(row["name"]), row["version"], purpose, size,
        Markup('<span class="soft" title="{}">{}…</span>').format(row["sha256"], row["sha256"][:12]),
        Markup("{} · {}").format(row["uploaded_by_name"] or "–", ago(row["created_at"])),
    )  # fmt: skip


def _jobs(viewer: Viewer, charger_id: str, zone: str | None) -> None:
    st.subheader(t("firmware.jobs"))
    rows = read(viewer, route("chargers", charger_id, "firmware-jobs"), limit=50).items
    if not rows:
        return empty("firmware.no_jobs", key="no_jobs")
    cells = [line(row["location"] or "–", status(row), steps(row, zone, viewer), _versions(row),
                  t(f"firmware.effect.{row['effect']}"), row["requested_by_name"] or t("receipt.platform"),
                  ago(row["created_at"])) for row in rows]  # fmt: skip
    draw(deeds.grid("firmware", JOBS, cells), "jobs")
    columns = ("created_at", "location", "status", "reported", "version_before", "version_after", "effect", "error")
    csv_button(rows, columns, "firmware-jobs")


def status(row: Row) -> Markup:
    """The state as mark and word, with the reason when it is a bad one."""
    word = t(f"firmware.status.{row['status']}")
    if row["status"] not in BAD:
        mark = "✓" if row["status"] in ("installed", "uploaded") else "…"
        return Markup('<span aria-hidden="true">{}</span> {}').format(mark, word)
    why = row["error"] or row["reported"] or ""
    return Markup('<span class="alert">✕ {}</span> <span class="soft">{}</span>').format(word, why)


def steps(row: Row, zone: str | None, viewer: Viewer) -> Markup:
    """What the charger reported, with the day and the time by the station's clock."""
    return Markup('<ol class="steps">{}</ol>').format(
        Markup().join(
            Markup('<li class="done"><span>{} <span class="soft num">{}</span></span></li>').format(
                step["status"], f.when(step["at"], zone, viewer.language)
            )
            for step in row["progress"]
        )
    )


def _versions(row: Row) -> str:
    after = row["version_after"] or row["version_wanted"]
    return f"{row['version_before'] or '–'} → {after or '?'}"


def _logs(viewer: Viewer, charger_id: str, zone: str | None) -> None:
    st.subheader(t("firmware.logs"))
    rows = read(viewer, route("chargers", charger_id, "log-jobs"), limit=50).items
    if not rows:
        return empty("firmware.no_logs", key="no_logs")
    cells = [_log(row, zone, viewer) for row in rows]
    draw(deeds.grid("firmware", LOGS, cells), "logs")
    csv_button(rows, ("created_at", "kind", "status", "file_name", "size_bytes", "sha256", "error"), "log-jobs")
    here = [row for row in rows if row["received_at"]][:10]
    with st.container(horizontal=True):
        for row in here:
            name = row["file_name"] or "log"
            exports.offer(viewer, f"log_{row['id']}", name,
                          partial(viewer.api.download, route("log-jobs", row["id"], "file")), name=name,
                          mime="application/octet-stream", disabled=not viewer.may("logs:download"))  # fmt: skip


def _log(row: Row, zone: str | None, viewer: Viewer) -> Markup:
    return line(
        t(f"firmware.kind.{row['kind']}"), status(row), steps(row, zone, viewer), _log_file(row, viewer),
        row["requested_by_name"] or t("receipt.platform"), ago(row["created_at"]),
    )  # fmt: skip


def _log_file(row: Row, viewer: Viewer) -> str:
    if not row["received_at"]:
        return row["file_name"] or "–"
    return f"{row['file_name'] or 'log'} · {f.number(row['size_bytes'] / 1024, viewer.language, 1)} KiB"


# -- to start something


def start(viewer: Viewer, charger_id: str) -> None:
    """Forms for an update and for a log."""
    found = data.charger(viewer, charger_id)
    if found is None:
        return
    locked = not viewer.may("commands:send")
    with st.expander(t("firmware.update"), icon=":material/system_update:"), st.form("update", border=False):
        _update_form(viewer, found.data, locked=locked)
    with st.expander(t("firmware.fetch"), icon=":material/description:"), st.form("fetch", border=False):
        kind = st.selectbox(t("firmware.column.kind"), KINDS, format_func=lambda code: t(f"firmware.kind.{code}"),
                            key="log_kind")  # fmt: skip
        path = _path(charger_id, "log-jobs", queue=st.toggle(t("firmware.queue"), key="log_queue"))
        if st.form_submit_button(t("firmware.fetch_button"), disabled=locked):
            wish = (charger_id, kind, path)
            fetch = partial(Deed, "fetch_log", charger_id, "POST", path, {"kind": kind})
            if deeds.send_form(viewer, "fetch", wish, fetch):
                st.rerun()


def _update_form(viewer: Viewer, charger: Row, *, locked: bool) -> None:
    names = {
        row["id"]: f"{row['name']} · {row['version']}" for row in read(viewer, "/api/firmware-files", cap=500).items
    }
    choice = st.selectbox(t("firmware.file"), list(names), index=None, format_func=lambda code: names[code],
                          key="update_file")  # fmt: skip
    typed = st.text_input(t("firmware.location"), key="update_location", help=t("firmware.location_help"))
    path = _path(charger["id"], "firmware-jobs", queue=st.toggle(t("firmware.queue"), key="update_queue"))
    if not st.form_submit_button(t("firmware.start"), disabled=locked):
        return
    location = typed.strip()
    if bool(choice) == bool(location):
        st.error(t("firmware.either"), icon=":material/rule:")
        return
    body = {"firmware_file_id": choice} if choice else {"location": location}
    what = names[choice] if choice else location
    update = partial(Deed, "update_firmware", what, "POST", path, body, _concerned(viewer, charger))
    deeds.ask(deeds.latched("update", (path, body), update))


def _concerned(viewer: Viewer, charger: Row) -> tuple[tuple[str, str], ...]:
    """Which charger it is, where it stands, and who charges there now."""
    plugs = data.connectors(viewer, charger_id=charger["id"]).items
    running = sum(bool(plug["session_id"]) for plug in plugs)
    return (
        (t("column.station"), charger["station_name"] or "–"),
        (t("column.charger"), charger["id"]),
        (t("firmware.now"), charger["firmware_version"] or "–"),
        (t("column.session"), t("order.sessions_running", n=running) if running else t("order.no_session")),
    )


def _path(charger_id: str, jobs: str, *, queue: bool) -> str:
    return route("chargers", charger_id, jobs) + ("?queue=true" if queue else "")


def upload(viewer: Viewer) -> None:
    """A new file of firmware."""
    if not viewer.may("firmware:write"):
        return
    with st.expander(t("firmware.upload"), icon=":material/upload:"), st.form("upload", border=False):
        content = st.file_uploader(t("firmware.file"), key="upload_file")
        st.caption(t("firmware.at_most", n=st.get_option("server.maxUploadSize")))  # Streamlit itself says 1GB of 512
        version = st.text_input(t("firmware.column.version"), key="upload_version", max_chars=50,
                                help=t("firmware.version_help"))  # fmt: skip
        vendor = st.text_input(t("firmware.vendor"), key="upload_vendor")
        model = st.text_input(t("firmware.model"), key="upload_model")
        if not st.form_submit_button(t("firmware.upload_button")):
            return
        if content is None:
            st.error(t("firmware.no_file"), icon=":material/upload_file:")
        else:
            keep(viewer, content.name, content.getvalue(), version, vendor, model)


def keep(viewer: Viewer, name: str, content: bytes, version: str, vendor: str, model: str) -> None:
    """Sends the file to the API."""
    try:
        with st.spinner(t("firmware.uploading")):
            viewer.api.upload("/api/firmware-files", content, name=name, version=version, vendor=vendor or None,
                              model=model or None)  # fmt: skip
    except ApiDown:
        st.error(t("api.down.change"), icon=":material/cloud_off:")
    except ApiRefused as refusal:
        failed(refusal)
    else:
        desk.forget()
        st.rerun()


def main(viewer: Viewer) -> None:
    deeds.ask_if_pressed()
    st.title(t("cpo.firmware.title"))
    choose(viewer)
    live(door.CPO, room, every=3)
    try:
        if charger_id := param("charger"):
            start(viewer, charger_id)
        else:
            upload(viewer)
    except ApiDown:
        st.caption(t("api.down.banner"))


main(require_viewer(door.CPO))
