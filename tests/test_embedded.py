"""The embedded PostgreSQL: shared by processes, stopped by the last, back after every kind of death."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from backend import embedded
from backend.database import SYSTEM, DirectDatabase, open_database
from backend.domain.errors import DatabaseUnavailable
from backend.embedded import EmbeddedPostgres
from backend.settings import load_settings
from tests.support.tools import ROOT
from tests.support.waiting import eventually, wait_until


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory outside of pytest's own, which a concurrent pytest of root closes to other users."""
    with tempfile.TemporaryDirectory(prefix="uniev-embedded-") as directory:
        yield Path(directory)


@pytest.fixture
def data_dir(place: Path) -> Iterator[Path]:
    """A directory for one cluster; whatever server a failed test leaves behind is ended."""
    yield place / "data"
    if (process := EmbeddedPostgres(place / "data").postmaster()) is not None:
        process.kill()
        process.wait(10)


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A running server that this process shares."""
    server = EmbeddedPostgres(data_dir)
    assert server.ensure_running()
    yield server
    server.close()


class User:
    """Another process that uses the server."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.embedded_user", str(data_dir)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def arrived(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        output, _ = self.process.communicate("\n", timeout=30)
        assert output == "left\n"

    def die(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.communicate(timeout=30)


def kill_postmaster(server: EmbeddedPostgres) -> None:
    process = server.postmaster()
    assert process is not None
    process.kill()
    wait_until(lambda: server.postmaster() is None and not answers(server), "the killed server is gone")


def answers(server: EmbeddedPostgres) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(server.socket_dir / ".s.PGSQL.5432"))
        return True
    return False


def leftovers(server: EmbeddedPostgres) -> list[str]:
    names = {path.name for path in (*server.data_dir.iterdir(), *server.cluster.iterdir())}
    return sorted(name for name in names if "lock" in name or "PGSQL" in name or name == "postmaster.pid")


# -- sharing -------------------------------------------------------------------------------------------------


def test_the_last_one_out_stops_the_server_and_leaves_no_trace(data_dir: Path) -> None:
    first, second = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    assert first.ensure_running()
    assert not first.ensure_running()
    assert not second.ensure_running()
    first.close()
    first.close()
    assert answers(second)
    second.close()
    assert second.postmaster() is None
    assert leftovers(second) == []


def serving(data: Path) -> list[psutil.Process]:
    """The servers of this directory. A child looks like its server until it names itself, and may end meanwhile."""
    alike, found = [p for p in psutil.process_iter() if embedded._serves(p, data)], []
    for process in alike:
        with suppress(psutil.NoSuchProcess):
            if process.parent() not in alike:
                found.append(process)
    return found


def test_four_processes_race_and_one_server_results(data_dir: Path) -> None:
    users = [User(data_dir) for _ in range(4)]
    assert sorted(user.arrived() for user in users) == ["joined", "joined", "joined", "started"]
    servers = serving(data_dir.resolve() / "postgres")
    assert len(servers) == 1
    for user in users[:3]:
        user.leave()
        assert EmbeddedPostgres(data_dir).postmaster() == servers[0]
    users[3].leave()
    assert EmbeddedPostgres(data_dir).postmaster() is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_died_without_leaving_does_not_keep_the_server_up(
    server: EmbeddedPostgres, how: signal.Signals
) -> None:
    user = User(server.data_dir)
    assert user.arrived() == "joined"
    user.die(how)
    server.close()
    assert server.postmaster() is None


def test_a_server_whose_users_were_all_killed_is_joined_and_then_stopped(data_dir: Path) -> None:
    user = User(data_dir)
    assert user.arrived() == "started"
    user.die(signal.SIGKILL)
    server = EmbeddedPostgres(data_dir)
    assert not server.ensure_running()
    server.close()
    assert server.postmaster() is None


# -- recovery ------------------------------------------------------------------------------------------------


async def test_after_kill_9_of_the_server_every_acknowledged_row_is_there(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    await connection.execute("create table kept (n integer)")
    for n in range(50):
        await connection.execute("insert into kept values ($1)", n)
    kill_postmaster(server)
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.close()
    assert server.ensure_running()
    connection = await asyncpg.connect(server.dsn("postgres"))
    assert await connection.fetchval("select count(*) from kept") == 50
    await connection.close()


def test_a_truncated_pid_file_is_no_obstacle(server: EmbeddedPostgres) -> None:
    kill_postmaster(server)
    (server.cluster / "postmaster.pid").write_text("12")
    assert server.ensure_running()
    assert answers(server)


def test_a_pid_that_now_belongs_to_somebody_else_is_no_obstacle(server: EmbeddedPostgres) -> None:
    """In a container the same small numbers come back after each restart."""
    kill_postmaster(server)
    pid_file = server.cluster / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(pid_file.read_text().split()[0], str(os.getppid()), 1))
    assert server.ensure_running()
    assert answers(server)


def test_a_zombie_in_the_pid_file_is_no_obstacle(server: EmbeddedPostgres) -> None:
    kill_postmaster(server)
    child = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, "the child is a zombie")
    pid_file = server.cluster / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(pid_file.read_text().split()[0], str(child.pid), 1))
    assert server.ensure_running()
    assert answers(server)
    child.wait()


def test_a_dead_servers_socket_and_lock_are_no_obstacle(server: EmbeddedPostgres) -> None:
    kill_postmaster(server)
    assert (server.cluster / ".s.PGSQL.5432").is_socket()
    (server.cluster / ".s.PGSQL.5432.lock").write_text("1\n")
    assert server.ensure_running()
    assert answers(server)


def test_a_creation_that_was_interrupted_begins_anew(data_dir: Path) -> None:
    (data_dir / "postgres.new" / "base").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(data_dir)
    assert server.ensure_running()
    server.close()
    assert not (data_dir / "postgres.new").exists()


def test_a_directory_too_deep_for_a_socket_works(place: Path) -> None:
    server = EmbeddedPostgres(place / ("d" * 60) / ("e" * 60))
    assert server.ensure_running()
    assert answers(server)
    server.close()
    assert not (server.socket_dir / ".s.PGSQL.5432").exists()


# -- clear sentences -----------------------------------------------------------------------------------------


def test_an_older_clusters_version_is_named(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseUnavailable, match=r"made by PostgreSQL 16, this program brings 18"):
        EmbeddedPostgres(data_dir).ensure_running()


def test_foreign_files_are_not_touched(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "thesis.txt").write_text("years of work")
    with pytest.raises(DatabaseUnavailable, match="not a PostgreSQL cluster"):
        EmbeddedPostgres(data_dir).ensure_running()
    assert (data_dir / "postgres" / "thesis.txt").read_text() == "years of work"


def test_a_full_disk_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_MIN_FREE_BYTES", 1 << 60)  # no disk is that empty
    with pytest.raises(DatabaseUnavailable, match=r"The disk of .* is full: \d+ MB free"):
        EmbeddedPostgres(data_dir).ensure_running()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match=r"Cannot make the data directory .*file/data"):
        EmbeddedPostgres(tmp_path / "file" / "data").ensure_running()


def test_a_start_that_fails_says_why(server: EmbeddedPostgres) -> None:
    server.close()
    broken = EmbeddedPostgres(server.data_dir, options={"shared_buffers": "0"})
    with pytest.raises(DatabaseUnavailable, match=r"does not start: .*shared_buffers"):
        broken.ensure_running()


# -- the platform over it ------------------------------------------------------------------------------------


@pytest.fixture
async def platform(data_dir: Path) -> DirectDatabase:
    """What the doors get with no setting at all."""
    database = await open_database(load_settings(_env_file=None, data_dir=data_dir))
    assert isinstance(database, DirectDatabase)
    return database


async def test_open_database_migrates_and_close_stops_the_server(platform: DirectDatabase, data_dir: Path) -> None:
    assert await platform.insert("cpos", [{"name": "A"}], scope=SYSTEM, columns="name") == [{"name": "A"}]
    await platform.close()
    assert EmbeddedPostgres(data_dir).postmaster() is None


async def test_calls_survive_kill_9_of_the_server(platform: DirectDatabase, data_dir: Path) -> None:
    """A call that meets the dead server starts it again and is answered; the pool heals."""
    await platform.insert("cpos", [{"name": "A"}], scope=SYSTEM)
    server = EmbeddedPostgres(data_dir)
    for _ in range(2):
        kill_postmaster(server)
        assert await platform.call("schema_version", scope=SYSTEM) >= 1
        assert len(await platform.select("cpos", scope=SYSTEM)) == 1
    await platform.close()
    assert server.postmaster() is None


async def test_listening_survives_kill_9_of_the_server(platform: DirectDatabase, data_dir: Path) -> None:
    heard: list[str] = []
    listener = await platform.listen("news", heard.append)
    assert heard == [""]
    kill_postmaster(EmbeddedPostgres(data_dir))
    await eventually(lambda: heard == ["", ""], "listening again")
    connection = await asyncpg.connect(platform.dsn)
    await connection.execute("notify news, 'hello'")
    await eventually(lambda: heard[-1] == "hello", "the notification")
    await connection.close()
    await listener.stop()
    await platform.close()
