"""Words of the simulator's screens, Indonesian and English. Everything on the wire keeps its OCPP name."""

from __future__ import annotations

from typing import Any

from dashboards.common.texts import language

TEXTS: dict[str, tuple[str, str]] = {
    "title.bench": ("Meja uji", "Test bench"),
    "title.history": ("Riwayat", "History"),
    "banner": ("SIMULATOR", "SIMULATOR"),
    "banner.text": (
        "charger tiruan, protokol sungguhan: yang terlihat di sini tidak mengalirkan listrik",
        "made-up chargers, real protocol: nothing here moves electricity",
    ),
    "language": ("Bahasa", "Language"),
    "start.head": ("Nyalakan charger", "Switch a charger on"),
    "start.identity": ("Identitas OCPP", "OCPP identity"),
    "start.identity.help": (
        "Seperti terdaftar di platform; bagian terakhir alamat WebSocket. Demo menyediakan SIM-1 sampai SIM-3.",
        "As registered on the platform; the last part of the WebSocket address. The demo keeps SIM-1 to SIM-3 free.",
    ),
    "start.url": ("Server OCPP", "OCPP server"),
    "start.kind": ("Jenis", "Kind"),
    "start.plugs": ("Konektor", "Connectors"),
    "start.password": ("Kata sandi Basic (bila ada)", "Basic password (if any)"),
    "start.speed": ("Laju waktu", "Pace of time"),
    "start.speed.help": (
        "Di atas 1×, jam charger mulai 12 jam yang lalu supaya tidak melewati jam sekarang.",
        "Above 1×, the charger's clock begins 12 hours ago so that it never passes the present.",
    ),
    "start.go": ("Nyalakan", "Switch on"),
    "start.taken": ("{identity} sudah menyala di sini.", "{identity} is already on here."),
    "start.nameless": ("Isi identitas charger.", "Give the charger an identity."),
    "start.far": (
        "Alamat harus ws:// atau wss:// ke mesin ini (127.0.0.1 atau localhost).",
        "The address must be ws:// or wss:// to this machine (127.0.0.1 or localhost).",
    ),
    "choose": ("Charger", "Charger"),
    "empty.head": ("Belum ada charger yang menyala", "No charger is on yet"),
    "empty.text": (
        "Isi formulir di kiri dengan identitas yang terdaftar (lihat dasbor CPO), lalu Nyalakan.",
        "Fill in the form on the left with a registered identity (see the CPO dashboard), then switch it on.",
    ),
    "state.connected": ("Tersambung", "Connected"),
    "state.offline": ("Terputus", "Disconnected"),
    "state.boot": ("Registrasi", "Registration"),
    "state.none": ("belum", "none yet"),
    "state.queued": ("Antrian pesan", "Messages waiting"),
    "state.clock": ("Jam charger", "Charger clock"),
    "state.temperature": ("Suhu", "Temperature"),
    "problem.404": (
        "Platform tidak mengenal {identity} (HTTP 404). Daftarkan dulu: POST /api/chargers (lihat /docs di port "
        "8000), atau jalankan server OCPP dengan UNIEV_OCPP_ACCEPT_UNKNOWN=1 lalu setujui di dasbor EMSV. Charger "
        "ini terus mencoba.",
        "The platform does not know {identity} (HTTP 404). Register it first: POST /api/chargers (see /docs on "
        "port 8000), or run the OCPP server with UNIEV_OCPP_ACCEPT_UNKNOWN=1 and approve it in the EMSV "
        "dashboard. This charger keeps trying.",
    ),
    "problem.401": (
        "Platform menolak kata sandi {identity} (HTTP 401). Matikan, lalu nyalakan dengan kata sandi yang benar.",
        "The platform refused the password of {identity} (HTTP 401). Switch it off and on with the right one.",
    ),
    "problem.http": (
        "Platform menolak sambungan dengan HTTP {status}. Charger ini terus mencoba.",
        "The platform refused the connection with HTTP {status}. This charger keeps trying.",
    ),
    "problem.down": (
        "Tidak ada server OCPP di {url}. Jalankan `make run`, atau `python backend/ocpp_server.py`. Charger ini "
        "terus mencoba.",
        "No OCPP server at {url}. Run `make run`, or `python backend/ocpp_server.py`. This charger keeps trying.",
    ),
    "problem.pending": (
        "Registrasi {status}: charger menunggu persetujuan platform dan belum boleh melayani.",
        "Registration {status}: the charger waits for the platform's approval and may not serve yet.",
    ),
    "plug": ("Konektor {number}", "Connector {number}"),
    "plug.power": ("Daya", "Power"),
    "plug.soc": ("SoC mobil", "Car SoC"),
    "plug.session": ("Energi sesi", "Session energy"),
    "plug.register": ("Register meter", "Meter register"),
    "plug.transaction": ("Transaksi {id} · tag {tag}", "Transaction {id} · tag {tag}"),
    "plug.waiting": ("Transaksi menunggu jawaban · tag {tag}", "Transaction awaits its answer · tag {tag}"),
    "plug.car": ("Mobil: {car}", "Car: {car}"),
    "plug.no_car": ("Tidak ada mobil", "No car"),
    "machine.alt": ("Keadaan konektor: {status}", "State of the connector: {status}"),
    "curve.empty": ("Kurva daya muncul begitu mobil mengisi.", "The curve appears once a car charges."),
    "preset": ("Skenario", "Scenario"),
    "preset.pace": ("Lama", "Length"),
    "preset.play": ("Mainkan", "Play"),
    "preset.running": ("Skenario berjalan: {name}", "Scenario under way: {name}"),
    "pace.brisk": ("singkat", "brisk"),
    "pace.half": ("sedang", "medium"),
    "pace.real": ("seperti nyata", "as in life"),
    "scenario.normal": ("Normal", "Normal"),
    "scenario.refused-tag": ("RFID ditolak", "RFID refused"),
    "scenario.cable-fault": ("Gangguan kabel", "Cable fault"),
    "scenario.offline-history": ("Jaringan putus di tengah sesi", "Offline in mid-session"),
    "scenario.slow-car": ("Mobil lambat", "Slow car"),
    "scenario.malformed-frame": ("Frame cacat", "Malformed frame"),
    "scenario.suspended-by-car": ("Mobil menjeda pengisian", "Suspended by the car"),
    "scenario.power-failure": ("Listrik padam di tengah sesi", "Power failure in mid-session"),
    "scenario.reboot-loop": ("Nyala ulang beruntun", "Reboot loop"),
    "tag": ("Tag RFID", "RFID tag"),
    "car": ("Mobil yang datang", "Car that comes"),
    "car.normal": ("Mobil biasa, SoC 20 %", "Ordinary car, SoC 20 %"),
    "car.nearly_full": ("Hampir penuh, SoC 95 %", "Nearly full, SoC 95 %"),
    "car.slow": ("Mobil lambat (1,8 kW)", "Slow car (1.8 kW)"),
    "fault": ("Gangguan", "Fault"),
    "do.plug_in": ("Colok", "Plug in"),
    "do.tap": ("Tempel tag", "Tap the tag"),
    "do.unplug": ("Cabut", "Unplug"),
    "do.pause": ("Mobil menjeda", "Car pauses"),
    "do.resume": ("Mobil lanjut", "Car resumes"),
    "do.raise_fault": ("Buat gangguan", "Raise the fault"),
    "do.clear_fault": ("Pulihkan", "Clear the fault"),
    "do.network_out": ("Cabut jaringan", "Pull the network"),
    "do.network_in": ("Pasang jaringan", "Network back"),
    "do.power_off": ("Padamkan listrik", "Cut the mains"),
    "do.power_on": ("Nyalakan listrik", "Mains back"),
    "do.reboot": ("Nyala ulang", "Reboot"),
    "do.remove": ("Matikan charger", "Switch off"),
    "no.car": ("Tidak ada mobil.", "There is no car."),
    "no.taken": ("Sudah ada mobil.", "A car is there already."),
    "no.session": ("Tidak ada sesi.", "There is no session."),
    "no.fault": ("Tidak ada gangguan.", "There is no fault."),
    "no.faulted": ("Sudah ada gangguan.", "A fault is there already."),
    "no.dark": ("Listrik padam.", "The mains are off."),
    "no.lit": ("Listrik menyala.", "The mains are on."),
    "no.cable": ("Jaringan sudah tercabut.", "The network is out already."),
    "no.network": ("Jaringan sudah terpasang.", "The network is in already."),
    "no.paused": ("Mobil sudah menjeda.", "The car pauses already."),
    "no.running": ("Mobil tidak menjeda.", "The car is not pausing."),
    "no.script": ("Sebuah skenario sedang berjalan.", "A scenario is under way."),
    "answer": ("Jawaban: {answer}", "Answer: {answer}"),
    "frames.head": ("Frame mentah", "Raw frames"),
    "frames.filter": ("Saring", "Filter"),
    "frames.none": ("Belum ada frame.", "No frames yet."),
    "frames.filtered": ("Tidak ada frame yang cocok.", "No frame matches."),
    "frames.out": ("charger → platform", "charger → platform"),
    "frames.in": ("platform → charger", "platform → charger"),
    "send.head": ("Kirim frame sendiri", "Send a frame of your own"),
    "send.template": ("Contoh", "Template"),
    "send.text": ("Isi frame (boleh cacat)", "Frame (may be malformed)"),
    "send.go": ("Kirim", "Send"),
    "send.offline": ("Tidak tersambung: frame tidak terkirim.", "Not connected: the frame was not sent."),
    "send.sent": ("Terkirim; jawabannya ada di daftar frame.", "Sent; the answer is in the list of frames."),
    "history.sessions": ("Sesi", "Sessions"),
    "history.events": ("Kejadian", "Events"),
    "history.none": ("Belum ada sesi.", "No sessions yet."),
    "history.none.text": (
        "Colok mobil dan tempel tag di meja uji; sesinya dicatat di sini menurut meter charger sendiri.",
        "Plug a car in and tap a tag on the test bench; sessions are booked here by the charger's own meter.",
    ),
    "history.books": (
        "Buku charger sendiri: bandingkan dengan sesi di dasbor CPO. Waktu UTC, energi Wh.",
        "The charger's own books: compare them with the sessions in the CPO dashboard. Times UTC, energy Wh.",
    ),
    "history.open": ("berjalan", "open"),
}


def w(key: str, **values: Any) -> str:
    """A text in the language of the viewer; KeyError for an unknown key."""
    text = TEXTS[key][0 if language() == "id" else 1]
    return text.format(**values) if values else text
