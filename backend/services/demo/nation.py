"""The demo nation: operators, places, machines, tokens. Pure; the same seed gives the same nation."""

from __future__ import annotations

import csv
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

SITES_FILE: Final = Path(__file__).parents[3] / "supabase" / "demo" / "indonesia-sites.csv"
DEMO_PASSWORD: Final = "uniev-demo-2026"
DEFAULT_SEED: Final = 2026
FLEET_TOKENS: Final = tuple(f"DEMO{number:04d}" for number in range(1, 13))
"""Active tokens of the EMSV that open every demo charger; the simulated fleet uses them."""
LAB_TOKEN: Final = "SIM-TAG-1"
"""An active token that no fleet uses, for the chargers SIM-1 to SIM-3."""

_NAMESPACE: Final = uuid.UUID("5b1c9d58-6f0e-4c5e-9f2b-2f6a53c0a7d1")


class DemoPerson(NamedTuple):
    """A login of the demo; `cpo` is the name of the CPO, None for EMSV staff."""

    email: str
    name: str
    role: str
    cpo: str | None


NUSANTARA: Final = "Nusantara Charge"
KHATULISTIWA: Final = "Khatulistiwa EV"
BORNEO: Final = "Borneo Volt"
CPOS: Final = (NUSANTARA, KHATULISTIWA, BORNEO)
DEMO_PEOPLE: Final = (
    DemoPerson("emsv@demo.uniev.id", "Ratna Wulandari", "emsv_admin", None),
    DemoPerson("noc@demo.uniev.id", "Bagus Prasetyo", "noc_analyst", None),
    DemoPerson("admin@nusantara.demo.uniev.id", "Sari Kusumawati", "cpo_admin", NUSANTARA),
    DemoPerson("operator@nusantara.demo.uniev.id", "Dimas Saputra", "cpo_operator", NUSANTARA),
    DemoPerson("admin@khatulistiwa.demo.uniev.id", "Maria Latuconsina", "cpo_admin", KHATULISTIWA),
)

_JAVA_BALI: Final = {
    "DKI Jakarta": "JKT",
    "Banten": "BTN",
    "Jawa Barat": "JBR",
    "Jawa Tengah": "JTG",
    "DI Yogyakarta": "YOG",
    "Jawa Timur": "JTM",
    "Bali": "BAL",
    "Nusa Tenggara Barat": "NTB",
    "Nusa Tenggara Timur": "NTT",
}
_KALIMANTAN: Final = {
    "Kalimantan Barat": "KBR",
    "Kalimantan Tengah": "KTG",
    "Kalimantan Selatan": "KSL",
    "Kalimantan Timur": "KTM",
    "Kalimantan Utara": "KUT",
}
_ELSEWHERE: Final = {
    "Aceh": "ACE",
    "Sumatera Utara": "SUT",
    "Sumatera Barat": "SBR",
    "Riau": "RIA",
    "Kepulauan Riau": "KRI",
    "Jambi": "JAM",
    "Bengkulu": "BKL",
    "Sumatera Selatan": "SSL",
    "Kepulauan Bangka Belitung": "BBL",
    "Lampung": "LAM",
    "Sulawesi Selatan": "SLS",
    "Sulawesi Utara": "SLU",
    "Sulawesi Tengah": "SLT",
    "Sulawesi Tenggara": "SLG",
    "Gorontalo": "GOR",
    "Sulawesi Barat": "SLB",
    "Maluku": "MAL",
    "Maluku Utara": "MUT",
    "Papua": "PAP",
    "Papua Barat": "PBR",
    "Papua Barat Daya": "PBD",
    "Papua Selatan": "PSL",
    "Papua Tengah": "PTG",
    "Papua Pegunungan": "PPG",
}
PROVINCE_CODES: Final = {**_JAVA_BALI, **_KALIMANTAN, **_ELSEWHERE}


@dataclass(frozen=True, slots=True)
class DemoCharger:
    """A machine; connectors are numbered from 1."""

    id: str
    name: str
    current_type: str
    rated_power_w: int
    connector_count: int
    model: str


@dataclass(frozen=True, slots=True)
class DemoStation:
    """A place with its machines."""

    id: str
    cpo_id: str
    name: str
    city: str
    province: str
    latitude: float
    longitude: float
    timezone: str
    site_type: str
    chargers: tuple[DemoCharger, ...]


@dataclass(frozen=True, slots=True)
class DemoToken:
    """An id token; `cpo_id` None: the EMSV's."""

    cpo_id: str | None
    token: str
    kind: str
    status: str
    expires_at: datetime | None
    holder_name: str


@dataclass(frozen=True, slots=True)
class Nation:
    """All of it."""

    stations: tuple[DemoStation, ...]
    tokens: tuple[DemoToken, ...]

    @property
    def charger_count(self) -> int:
        """Machines of all stations."""
        return sum(len(station.chargers) for station in self.stations)


_DC_60: Final = ("DC", 60_000, 2, "Surya 60")
_DC_120: Final = ("DC", 120_000, 2, "Surya 120")
_DC_200: Final = ("DC", 200_000, 2, "Surya 200")
_AC_22: Final = ("AC", 22_000, 1, "Bayu 22")
_AC_7: Final = ("AC", 7_400, 1, "Bayu 7")
# What stands at a kind of place: quick ones where people pass, slow ones where they stay.
_EQUIPMENT: Final = {
    "rest_area": (_DC_200, _DC_120, _DC_60, _AC_22),
    "ferry_port": (_DC_120, _DC_60, _AC_22),
    "airport": (_DC_120, _DC_60, _AC_22, _AC_7),
    "mall": (_DC_60, _AC_22, _AC_22, _AC_7),
    "office": (_DC_60, _AC_22, _AC_7),
    "government": (_DC_60, _AC_22, _AC_7),
    "hotel": (_AC_22, _AC_7, _DC_60),
    "tourism": (_DC_60, _AC_22),
    "public_parking": (_AC_22, _DC_60, _AC_7),
}


def demo_id(kind: str, name: str) -> str:
    """The identifier (UUID) of a thing of the demo; always the same."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}:{name}"))


# Chargers that no fleet drives, for whoever plays one on the simulator screen.
_LAB: Final = DemoStation(
    id=demo_id("station", "UNIEV Lab Simulator"),
    cpo_id=demo_id("cpo", NUSANTARA),
    name="UNIEV Lab Simulator",
    city="Jakarta Pusat",
    province="DKI Jakarta",
    latitude=-6.1862,
    longitude=106.8340,
    timezone="Asia/Jakarta",
    site_type="lab",
    chargers=(
        DemoCharger("SIM-1", "DC 60 kW", "DC", 60_000, 2, "Surya 60"),
        DemoCharger("SIM-2", "AC 22 kW", "AC", 22_000, 1, "Bayu 22"),
        DemoCharger("SIM-3", "AC 7.4 kW", "AC", 7_400, 1, "Bayu 7"),
    ),
)


def build_nation(now: datetime, seed: int = DEFAULT_SEED) -> Nation:
    """The nation of this seed. `now` dates the expiry of tokens."""
    draw = random.Random(seed)
    with SITES_FILE.open(encoding="utf-8", newline="") as file:
        sites = list(csv.DictReader(file))
    numbers: dict[str, int] = {}
    stations = []
    for position, site in enumerate(sites):
        code = PROVINCE_CODES[site["province"]]
        numbers[code] = numbers.get(code, 0) + 1
        stations.append(_station(site, position, f"ID-{code}{numbers[code]:02d}", draw))
    return Nation((*stations, _LAB), tuple(_tokens(now, draw)))


def _station(site: dict[str, str], position: int, stem: str, draw: random.Random) -> DemoStation:
    return DemoStation(
        id=demo_id("station", site["name"]),
        cpo_id=demo_id("cpo", _operator(site["province"], position)),
        name=site["name"],
        city=site["city"],
        province=site["province"],
        latitude=float(site["lat"]),
        longitude=float(site["lon"]),
        timezone=site["timezone"],
        site_type=site["site_type"],
        chargers=tuple(_chargers(site["site_type"], stem, draw)),
    )


def _operator(province: str, position: int) -> str:
    """Each has a home; on Java and Bali all three compete."""
    if province in _KALIMANTAN:
        return BORNEO
    if province in _ELSEWHERE:
        return KHATULISTIWA
    return {4: KHATULISTIWA, 9: BORNEO}.get(position % 10, NUSANTARA)


def _chargers(site_type: str, stem: str, draw: random.Random) -> Iterator[DemoCharger]:
    choice = _EQUIPMENT[site_type]
    for number, equipment in enumerate(choice[: draw.randint(2, len(choice))], start=1):
        current_type, rated_power_w, connector_count, model = equipment
        power = f"{rated_power_w / 1000:g} kW"
        yield DemoCharger(
            f"{stem}-{number}",
            f"{current_type} {power} {'ABCD'[number - 1]}",
            current_type,
            rated_power_w,
            connector_count,
            model,
        )


_FIRST: Final = [
    "Adi",
    "Ayu",
    "Budi",
    "Citra",
    "Dewi",
    "Eko",
    "Fitri",
    "Galih",
    "Hana",
    "Indra",
    "Joko",
    "Kartika",
    "Lestari",
    "Made",
    "Nadia",
    "Oki",
    "Putri",
    "Rizki",
    "Sinta",
    "Teguh",
    "Wayan",
    "Yusuf",
]
_LAST: Final = [
    "Anggraini",
    "Gunawan",
    "Halim",
    "Hidayat",
    "Kurniawan",
    "Lubis",
    "Maharani",
    "Nasution",
    "Nugroho",
    "Pratama",
    "Rahman",
    "Santoso",
    "Setiawan",
    "Siregar",
    "Sitompul",
    "Suryani",
    "Utami",
    "Wibowo",
]


def _tokens(now: datetime, draw: random.Random) -> Iterator[DemoToken]:
    yield DemoToken(None, LAB_TOKEN, "rfid", "active", None, "Lab Simulator")
    for token in FLEET_TOKENS:
        yield DemoToken(None, token, "app", "active", None, _holder(draw))
    for cpo in CPOS:
        for number in range(36):
            blocked = number % 12 == 5
            expiry = _expiry(number, now)
            token = f"04{draw.getrandbits(48):012X}"
            status = "blocked" if blocked else "active"
            yield DemoToken(demo_id("cpo", cpo), token, "rfid", status, expiry, _holder(draw))


def _expiry(number: int, now: datetime) -> datetime | None:
    if number % 18 == 7:
        return now - timedelta(days=20)
    return now + timedelta(days=365) if number % 4 == 0 else None


def _holder(draw: random.Random) -> str:
    return f"{draw.choice(_FIRST)} {draw.choice(_LAST)}"
