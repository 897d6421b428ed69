"""How stations, chargers and connectors are written down; the same in the list, the station and the charger page."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.panel import ago, link
from dashboards.common.status import badge, counts, shape
from dashboards.common.texts import Language, known, language, t
from dashboards.common.widgets import line, table

Row = dict[str, Any]


def charger_table(chargers: Sequence[Row], plugs: dict[str, list[Row]], language: Language) -> Markup:
    """One line per charger with all its connectors. A fault of the charger itself never hides them."""
    return table(
        ("charger", "link", "connectors", "error"),
        [_charger(row, plugs.get(row["id"], []), language) for row in chargers],
    )


def _charger(row: Row, plugs: Sequence[Row], language: Language) -> Markup:
    name = Markup('{}<br><span class="soft">{}</span>').format(
        link("charger", row["id"], charger=row["id"]), about(row)
    )
    return line(name, link_state(row), plug_list(plugs, language), trouble(row, plugs))


def about(row: Row) -> str:
    """Name, maker and rated power of a charger, whatever is known."""
    rated = f.rated(row.get("rated_power_w"), language())
    maker = " ".join(filter(None, (row.get("vendor"), row.get("model"))))
    return " · ".join(filter(None, (row.get("name"), maker, row.get("current_type"), rated))) or "–"


def link_state(row: Row) -> Markup:
    """Connected or not, and how long ago the charger was last heard."""
    if row["connected"]:
        return Markup('<span class="badge">{}</span><br><span class="soft">{} {}</span>').format(
            t("link.online"), t("link.heard"), ago(row["last_seen_at"])
        )
    gone = row["disconnected_at"] or row["last_seen_at"]
    if gone is None:
        return Markup('<span class="badge">{}<span>{}</span></span>').format(shape("offline"), t("link.never"))
    return Markup('<span class="badge">{}<span>{}</span></span><br><span class="soft">{} {}</span>').format(
        shape("offline"), t("link.offline"), t("link.heard"), ago(row["last_seen_at"] or gone)
    )


def plug_list(plugs: Sequence[Row], language: Language) -> Markup:
    if not plugs:
        return Markup('<span class="soft">{}</span>').format(t("live.no_connectors"))
    ordered = sorted(plugs, key=lambda plug: (plug["evse_id"], plug["connector_id"]))
    return Markup('<ul class="plugs">{}</ul>').format(Markup().join(_plug(plug, language) for plug in ordered))


def _plug(plug: Row, language: Language) -> Markup:
    parts = [Markup('<span class="no">{}</span>').format(plug_number(plug)), badge(plug["state"])]
    if plug["state"] == "offline":
        parts.append(Markup('<span class="soft">{}</span>').format(last_status(plug)))
    if whole := whole_charger(plug):
        parts.append(whole)
    if plug["session_id"]:
        figures = " · ".join(
            text
            for text, there in (
                (f.power(plug["power_w"], language), plug["power_w"] is not None),
                (f.energy(plug["energy_wh"], language), plug["energy_wh"] is not None),
                (f.percent(plug["soc_percent"], language), plug["soc_percent"] is not None),
            )
            if there
        )
        parts.append(link("session", figures or t("live.session"), session=plug["session_id"]))
    return Markup("<li>{}</li>").format(Markup().join(parts))


def plug_number(plug: Row) -> str:
    """The number people know: EVSE n, and its connector where it has several."""
    return (
        str(plug["evse_id"])
        if plug["connector_id"] in (1, plug["evse_id"])
        else f"{plug['evse_id']}.{plug['connector_id']}"
    )


def last_status(plug: Row) -> str:
    """What an offline connector said last, in our words where we have them."""
    status = plug["status"]
    if not status:
        return t("live.no_status")
    key = f"ocpp.{status}"
    return t("live.last_status", status=t(key) if known(key) else status)


def whole_charger(plug: Row) -> Markup:
    """What the whole unit says of itself, where that keeps this connector from serving; empty otherwise."""
    status = plug.get("charger_status")
    if status not in ("Faulted", "Unavailable"):
        return Markup("")
    code = plug.get("charger_error_code")
    why = "" if code in (None, "NoError") else f" · {fault(code)}"
    return Markup('<span class="badge whole">{}<span>{} {}{}</span></span>').format(
        shape(status.lower(), 14), t("live.whole_charger"), t(f"ocpp.{status}"), why
    )


def plug_error(plug: Row) -> str | None:
    """The error a connector reports, with what the charger said about it; None when there is none."""
    if plug["error_code"] in (None, "NoError"):
        return None
    return " · ".join(filter(None, (fault(plug["error_code"]), plug["error_info"], plug["vendor_error_code"])))


def fault(code: str) -> str:
    """An OCPP error code with its meaning where we know it."""
    key = f"fault.{code}"
    return f"{t(key)} ({code})" if known(key) else code


def trouble(row: Row, plugs: Sequence[Row]) -> Markup:
    """Errors of the charger (connector 0) and of its connectors, each on its own line."""
    lines = []
    if row["error_code"] not in (None, "NoError") or row["status"] == "Faulted":
        lines.append((t("live.whole_charger"), fault(row["error_code"] or "OtherError"), row["status_at"]))
    for plug in sorted(plugs, key=lambda p: (p["evse_id"], p["connector_id"])):
        if words := plug_error(plug):
            lines.append((t("live.connector_n", n=plug_number(plug)), words, plug["status_at"]))
    if not lines:
        return Markup('<span class="soft">–</span>')
    return Markup().join(
        Markup('<div class="alert"><b>{}</b> {} <span class="soft">{}</span></div>').format(who, what, ago(at))
        for who, what, at in lines
    )


def station_header(station: Row, chargers: Sequence[Row], plugs: Sequence[Row], language: Language) -> Markup:
    """The header that stays: name, state, last heartbeat, live power."""
    tally: dict[str, int] = {}
    for plug in plugs:
        tally[plug["state"]] = tally.get(plug["state"], 0) + 1
    heard = max((row["last_seen_at"] for row in chargers if row["last_seen_at"]), default=None)
    power = sum(plug["power_w"] or 0 for plug in plugs if plug["session_id"])
    place = ", ".join(filter(None, (station.get("address"), station.get("city"), station.get("province"))))
    online = sum(bool(row["connected"]) for row in chargers)
    return header(
        station["name"],
        place,
        (t("column.state"), counts(tally) or "–"),
        (t("column.power"), f.power(power, language)),
        (t("column.online"), f"{online} / {len(chargers)}"),
        (t("column.heard"), ago(heard)),
        (t("column.zone"), f.zone_letters(station["timezone"])),
    )


def charger_header(row: Row, plugs: Sequence[Row], language: Language) -> Markup:
    """Identity, link, last heartbeat, firmware, protocol, live power."""
    power = sum(plug["power_w"] or 0 for plug in plugs if plug["session_id"])
    state = t("link.online") if row["connected"] else t("link.offline")
    own = (
        ""
        if row["connected"] and row["status"] != "Faulted"
        else shape("offline" if not row["connected"] else "faulted")
    )
    return header(
        row["id"],
        about(row),
        (t("column.link"), Markup('<span class="badge">{}{}</span>').format(own, state)),
        (t("column.power"), f.power(power, language)),
        (t("column.heard"), ago(row["last_seen_at"])),
        (t("column.firmware"), row["firmware_version"] or "–"),
        (t("column.protocol"), row["protocol"] or "–"),
        (t("column.availability"), t(f"availability.{row['availability'].lower()}")),
    )


def header(name: str, below: str, *facts: tuple[str, Any]) -> Markup:
    pairs = Markup().join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*fact) for fact in facts)
    return Markup('<div class="head"><div><h2>{}</h2><span class="soft">{}</span></div><dl>{}</dl></div>').format(
        name, below, pairs
    )
