"""The administrator's command line: `python -m backend.admin --help`."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from backend.database import Database, open_database
from backend.doctor import examine
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, DomainError, NotFound
from backend.domain.scope import SYSTEM
from backend.logs import set_up_logs
from backend.migrate import latest_version
from backend.services.api_keys import KeyRequest, KeyRole
from backend.services.audit_proof import AuditProof, End
from backend.services.demo import DEMO_PASSWORD, DEMO_PEOPLE, seed_demo
from backend.services.directory import Directory, build_directory
from backend.services.outbox import Outbox
from backend.services.records import PageRequest
from backend.services.resealing import reseal
from backend.services.users import Locale, NewUser, UserRole
from backend.settings import Settings, load_settings

_CALLER: Final = Caller(SYSTEM, "administrator's command line")
Act = Callable[[argparse.Namespace, Database, Directory], Awaitable[None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit status: 0 done, 1 refused (one sentence on stderr), 2 wrong usage."""
    asked = _parser().parse_args(arguments)
    try:
        settings = load_settings()
    except ValidationError as error:
        return _refuse("; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors()))
    set_up_logs(settings)
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLogger().level))
    if asked.act is None:
        return asyncio.run(_doctor(settings))
    if asked.command == "create-user" and asked.password is None:
        asked.password = _ask_password(asked.password_stdin)
    try:
        asyncio.run(_run(asked, settings))
    except DomainError as error:
        return _refuse(error.detail)
    return 0


async def _run(asked: argparse.Namespace, settings: Settings) -> None:
    database = await open_database(settings)
    try:
        services = build_directory(database, settings.secret_key, former_keys=settings.former_keys)
        await asked.act(asked, database, services)
    finally:
        await database.close()


async def _doctor(settings: Settings) -> int:
    findings = [finding async for finding in examine(settings)]
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.sentence}")
    return 0 if all(finding.ok for finding in findings) else 1


async def _create_cpo(asked: argparse.Namespace, _database: Database, services: Directory) -> None:
    cpo = await services.cpos.create(_CALLER, asked.name)
    print(f"CPO {cpo.name} is registered: {cpo.id}")


async def _create_user(asked: argparse.Namespace, _database: Database, services: Directory) -> None:
    cpo_id = await _find_cpo(services, asked.cpo)
    name = asked.name or asked.email.split("@")[0]
    new = NewUser(asked.email, name, UserRole(asked.role), asked.password, cpo_id, Locale(asked.locale))
    user = await services.people.users.create(_CALLER, new)
    print(f"User {user.email} ({user.role}) may log in now.")


async def _create_api_key(asked: argparse.Namespace, _database: Database, services: Directory) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=asked.days) if asked.days else None
    wanted = KeyRequest(asked.name, KeyRole(asked.role), await _find_cpo(services, asked.cpo), expires_at)
    made = await services.api_keys.create(_CALLER, wanted)
    print(made.key)
    print(f"API key {made.name} ({made.role}): shown this once; send it as X-API-Key.", file=sys.stderr)


async def _migrate(_asked: argparse.Namespace, _database: Database, _services: Directory) -> None:
    print(f"The database is up to date: migration {latest_version()}.")  # opening it applied what was missing


async def _mails(asked: argparse.Namespace, _database: Database, services: Directory) -> None:
    mails = await services.mails.waiting(asked.limit)
    for mail in reversed(mails):
        tried = f"  (tried {mail.attempts} times: {mail.reason})" if mail.reason else ""
        print(f"{mail.created_at}  to {mail.letter.to}{tried}\nSubject: {mail.letter.subject}\n\n{mail.letter.body}")
    print(f"{len(mails)} mails wait.", file=sys.stderr)


async def _events(asked: argparse.Namespace, database: Database, _services: Directory) -> None:
    outbox = Outbox(database)
    if asked.retry is not None:
        print(f"{await outbox.retry(asked.retry or None)} events are tried again.")
        return
    events = await outbox.given_up(asked.limit)
    for event in events:
        print(f"{event.id}  {event.created_at}  {event.topic}  {json.dumps(event.payload)}")
        print(f"    given up {event.given_up_at} after {event.tries} tries: {event.last_error}")
    print(f"{len(events)} events were given up.", file=sys.stderr)


async def _verify_audit(asked: argparse.Namespace, database: Database, _services: Directory) -> None:
    anchors = asked.anchors and Path(asked.anchors)
    known = json.loads(anchors.read_text()) if anchors and anchors.exists() else {}
    proof = await AuditProof(database).verify({chain: End(*end) for chain, end in known.items()})
    for fault in proof.faults:
        print(f"FAIL  chain {fault.chain}, row {fault.seq}: {fault.fault}")
    if proof.faults:
        raise Conflict("The audit log is not what was written.", code="audit_broken")
    if anchors:
        anchors.write_text(json.dumps(proof.ends, indent=1))
    print(f"The audit log holds: {proof.checked} rows in {len(proof.ends)} chains.")


async def _rotate_secrets(_asked: argparse.Namespace, database: Database, services: Directory) -> None:
    for table, rows in (await reseal(database, services.vault)).items():
        print(f"{table}: {rows} rows resealed.")
    print("Every secret is under the current UNIEV_SECRET_KEY; UNIEV_FORMER_SECRET_KEYS may be emptied.")


async def _seed_demo(_asked: argparse.Namespace, database: Database, _services: Directory) -> None:
    report = await seed_demo(database)
    if not report.fresh:
        print("The demo nation stands already; nothing was changed.")
        return
    print(
        f"The demo nation stands: {report.cpos} CPOs, {report.stations} stations, "
        f"{report.chargers} chargers, {report.id_tokens} id tokens, {report.sessions} sessions."
    )
    for person in DEMO_PEOPLE:
        print(f"  {person.email}  {DEMO_PASSWORD}  {person.role}")


async def _find_cpo(services: Directory, wanted: str | None) -> str | None:
    """A CPO by name or identifier. Raises NotFound."""
    if wanted is None:
        return None
    page = await services.cpos.list(SYSTEM, PageRequest(limit=900))
    for cpo in page.items:
        if wanted.lower() in (cpo.name.lower(), cpo.id):
            return cpo.id
    known = ", ".join(cpo.name for cpo in page.items) or "none yet; see create-cpo"
    raise NotFound(f"There is no CPO {wanted!r} (there are: {known}).")


def _ask_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password (12 characters or more): ")
    if getpass.getpass("The same again: ") != first:
        sys.exit("The two passwords differ.")
    return first


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.admin", description="Administers UNIEV.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, act: Act | None, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(act=act)
        return added

    user = command("create-user", _create_user, "Create a person who may log in.")
    user.add_argument("--email", required=True, help="e-mail address, the login name")
    user.add_argument("--role", required=True, choices=[role.value for role in UserRole])
    user.add_argument("--name", help="name of the person (default: the part before the @)")
    user.add_argument("--cpo", help="name or identifier of the CPO, for roles of a CPO")
    user.add_argument("--locale", default="id", choices=[locale.value for locale in Locale])
    user.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    user.set_defaults(password=None)

    key = command("create-api-key", _create_api_key, "Make an API key; it is printed once.")
    key.add_argument("--name", required=True, help="what the key is for")
    key.add_argument("--role", default="integrator", choices=[role.value for role in KeyRole])
    key.add_argument("--cpo", help="name or identifier of the CPO, for the role integrator")
    key.add_argument("--days", type=int, help="days until it ends (default: never)")

    cpo = command("create-cpo", _create_cpo, "Register a charge point operator.")
    cpo.add_argument("name", help="name, unique on the platform")

    mails = command("mails", _mails, "Print the mails that have not left, with their one-time codes, oldest first.")
    mails.add_argument(
        "--limit", type=int, default=20, choices=range(1, 1001), metavar="1..1000", help="the newest so many"
    )

    events = command("events", _events, "Print the events that were given up, and why; or have them tried again.")
    events.add_argument(
        "--limit", type=int, default=20, choices=range(1, 1001), metavar="1..1000", help="the oldest so many"
    )
    events.add_argument("--retry", type=int, nargs="*", metavar="NUMBER", help="try these again; without numbers: all")

    command("migrate", _migrate, "Bring the database up to date.")
    command("rotate-secrets", _rotate_secrets, "Seal every stored secret anew with the current UNIEV_SECRET_KEY.")
    proof = command("verify-audit", _verify_audit, "Prove that no row of the audit log was removed, changed or moved.")
    proof.add_argument("--anchors", metavar="FILE", help="compare with the ends kept there, then keep today's there")
    command("seed-demo", _seed_demo, "Fill in the demo nation.")
    command("doctor", None, "Check database, ports, versions and disk, and say what to do.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
