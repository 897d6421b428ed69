"""Numbers, units, dates and ages as people here write them. Pure functions: the language is an argument."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal

from dashboards.common.texts import Language, say

NONE = "–"
_LOCALES = {"id": "id_ID", "en": "en_GB"}
_ZONES = {
    "Asia/Jakarta": "WIB",
    "Asia/Pontianak": "WIB",
    "Asia/Makassar": "WITA",
    "Asia/Ujung_Pandang": "WITA",
    "Asia/Jayapura": "WIT",
}


def number(value: float | None, language: Language, digits: int = 0) -> str:
    """1234.5 → `1.234,5` in Indonesian."""
    if value is None:
        return NONE
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return format_decimal(value, format=pattern, locale=_LOCALES[language])


def energy(wh: float | None, language: Language) -> str:
    """Watt-hours as kWh, or MWh from ten thousand kWh on."""
    if wh is None:
        return NONE
    if abs(wh) >= 10_000_000:
        return f"{number(wh / 1e6, language, 2)} MWh"
    return f"{number(wh / 1e3, language, 1 if abs(wh) >= 100_000 else 2)} kWh"


def register(wh: float | None, language: Language) -> str:
    """A meter's figure: always kWh with two decimals, as it stands on the meter."""
    return NONE if wh is None else f"{number(wh / 1e3, language, 2)} kWh"


def power(watts: float | None, language: Language) -> str:
    """Watts as kW, or MW from ten thousand kW on."""
    if watts is None:
        return NONE
    if abs(watts) >= 10_000_000:
        return f"{number(watts / 1e6, language, 2)} MW"
    return f"{number(watts / 1e3, language, 1)} kW"


def rated(watts: float | None, language: Language) -> str | None:
    """What a type plate says: `7,4 kW`, `60 kW`, never torn between two lines; None when it is not known."""
    return f"{format_decimal(watts / 1e3, format='#,##0.#', locale=_LOCALES[language])}\u00a0kW" if watts else None


def percent(value: float | None, language: Language) -> str:
    return NONE if value is None else f"{number(value, language)} %"


def moment(iso: str | None) -> datetime | None:
    """An ISO 8601 time of the API as an aware datetime."""
    if not iso:
        return None
    parsed = datetime.fromisoformat(iso)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "Asia/Jakarta")
    except ZoneInfoNotFoundError:
        return ZoneInfo("Asia/Jakarta")


def zone_letters(name: str | None, at: datetime | None = None) -> str:
    """WIB, WITA or WIT; other zones as their offset."""
    key = zone(name).key
    return _ZONES.get(key) or format((at or datetime.now(UTC)).astimezone(zone(name)), "UTC%z")


def when(iso: str | None, zone_name: str | None, language: Language) -> str:
    """`21 Nov 2026 11.05 WITA`: station time with its zone, minutes."""
    at = moment(iso)
    if at is None:
        return NONE
    local = at.astimezone(zone(zone_name))
    pattern = "d MMM y HH.mm" if language == "id" else "d MMM y HH:mm"
    return f"{format_datetime(local, pattern, locale=_LOCALES[language])} {zone_letters(zone_name, at)}"


def clock(iso: str | None, zone_name: str | None, language: Language) -> str:
    """`11.05.42` in station time; the zone stands beside it where it is shown."""
    at = moment(iso)
    if at is None:
        return NONE
    pattern = "HH.mm.ss" if language == "id" else "HH:mm:ss"
    return format_time(at.astimezone(zone(zone_name)), pattern, locale=_LOCALES[language])


def local_day(iso: str, zone_name: str | None) -> str:
    """The day of a time where the station stands, as `2026-11-21`."""
    at = moment(iso)
    return at.astimezone(zone(zone_name)).date().isoformat() if at else ""


def day(iso_day: str, language: Language) -> str:
    """`Sab, 21 Nov` from `2026-11-21`."""
    return format_date(date.fromisoformat(iso_day[:10]), "EEE, d MMM", locale=_LOCALES[language])


def age(seconds: float, language: Language) -> str:
    """How long ago, in one unit: `7 dtk lalu`, `3 mnt lalu`, `2 jam lalu`, `4 hari lalu`."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            return say(language, f"age.{unit}", n=int(seconds // size))
    return say(language, "age.second", n=max(0, int(seconds)))


def since(iso: str | None, now: datetime, language: Language) -> str:
    """Age of an ISO time, or a dash when there is none."""
    at = moment(iso)
    return NONE if at is None else age((now - at).total_seconds(), language)


def duration(seconds: float | None, language: Language) -> str:
    """`1 j 05 mnt`, `12 mnt`, `40 dtk`."""
    if seconds is None:
        return NONE
    total = max(0, int(seconds))
    if total < 60:
        return say(language, "duration.seconds", n=total)
    hours, minutes = divmod(total // 60, 60)
    if hours:
        return say(language, "duration.hours", h=hours, m=f"{minutes:02d}")
    return say(language, "duration.minutes", n=minutes)
