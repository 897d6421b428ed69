"""Door for the clock: `python -m backend.worker` relays events and ends what has run out of time."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from backend.database import Database, open_database
from backend.domain.errors import DomainError
from backend.gateways.mail import open_post
from backend.gateways.storage import open_storage
from backend.logs import set_up_logs
from backend.services.alarms import Alarms
from backend.services.campaigns import CampaignClock
from backend.services.directory import utc_now
from backend.services.judging import Judge
from backend.services.mails import MailRelay, Mails
from backend.services.old_applications import OldApplications
from backend.services.outbox import Outbox
from backend.services.pki.authority import Authority
from backend.services.pki.ending import Ending
from backend.services.pki.issuing import Issuing
from backend.services.retention import Retention
from backend.services.upkeep import Upkeep
from backend.services.vault import Vault
from backend.settings import Settings, load_settings

log = logging.getLogger("backend.worker")


class Duty(NamedTuple):
    """Something to do again and again. Every duty is idempotent: two workers do no harm."""

    name: str
    every_s: float
    do: Callable[[], Awaitable[object]]


async def serve(settings: Settings) -> None:
    """Runs until SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    database = await open_database(settings)
    outbox, judge = Outbox(database), Judge(database, settings.reading_gap_s)
    upkeep = Upkeep(database, messages_kept_days=settings.message_log_days)
    campaigns = CampaignClock(database, settings.files_url)
    vault = Vault(settings.secret_key, settings.former_keys)
    issuing = Issuing(database, Authority(database, vault, utc_now), utc_now)
    storage = open_storage(settings.data_dir / "files", settings.supabase)
    retention = Retention(database, storage, settings.kept_days)
    outbox.react("certificate.requested", issuing.answer_requests)
    outbox.react("certificate.installed", issuing.keep_installed)
    duties = (
        Duty("relay events", 1.0, outbox.relay),
        Duty("advance campaigns", 2.0, campaigns.advance),
        Duty("judge ended sessions", 1.0, judge.judge),
        Duty("end overdue commands", 2.0, upkeep.expire_commands),
        Duty("end overdue reservations", 2.0, upkeep.expire_reservations),
        Duty("tend local lists", 15.0, upkeep.tend_local_lists),
        Duty("close silent sessions", 60.0, partial(upkeep.close_silent_sessions, settings.silent_session_s)),
        Duty("close quiet alarms", 15.0, Alarms(database).close_quiet),
        Duty("certificates and security profiles", 60.0, issuing.keep_watch),
        Duty("certificates that end", 60.0, Ending(database).watch),
        Duty("end overdue jobs", 15.0, upkeep.expire_jobs),
        Duty("failed logins", 15.0, upkeep.tell_failed_logins),
        Duty("templates that stand still", 15.0, upkeep.take_up_templates),
        Duty("restarts for templates", 30.0, upkeep.reboot_for_templates),
        Duty("partitions", 3600.0, upkeep.maintain_partitions),
        Duty("data past their time", 6 * 3600.0, retention.expire),
        Duty("contents left behind", 300.0, retention.sweep),
        Duty("applications that came to nothing", 6 * 3600.0, OldApplications(database, storage).forget),
        Duty("forget old mails", 3600.0, Mails(database, vault).tidy),
        *_mail_duties(database, vault, settings),
        *_audit_duties(upkeep, settings),
    )
    tasks = [asyncio.create_task(_repeat(duty)) for duty in duties]
    log.info("worker runs: %s", ", ".join(duty.name for duty in duties))
    try:
        await stopping.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.close()


def _audit_duties(upkeep: Upkeep, settings: Settings) -> list[Duty]:
    """The audit log stays, unless days are set."""
    days = settings.audit_log_days
    return [] if days is None else [Duty("old rows of the audit log", 6 * 3600.0, partial(upkeep.prune_audit, days))]


def _mail_duties(database: Database, vault: Vault, settings: Settings) -> list[Duty]:
    """Where no mail server is set, mails wait and are read with `python -m backend.admin mails`."""
    post = open_post(settings.smtp_url.get_secret_value() if settings.smtp_url else None, settings.mail_from)
    return [] if post is None else [Duty("send mails", 1.0, MailRelay(database, vault, post).relay)]


async def _repeat(duty: Duty) -> None:
    while True:
        try:
            await duty.do()
        except DomainError as error:
            log.warning("%s: %s", duty.name, error.detail)
        except Exception:
            log.exception("%s failed", duty.name)
        await asyncio.sleep(duty.every_s)


def main() -> None:
    """Entry point; ends with one clear sentence when it cannot work."""
    settings = load_settings()
    set_up_logs(settings)
    try:
        asyncio.run(serve(settings))
    except DomainError as error:
        sys.exit(f"The worker cannot start: {error.detail}")


if __name__ == "__main__":
    main()
