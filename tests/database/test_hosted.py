"""What is particular to the Supabase transport: the key, lost connections, the gateway's own words."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from backend.database import SYSTEM, Scope, open_database
from backend.database.hosted import SupabaseDatabase
from backend.domain.errors import (
    DatabaseTimeout,
    DatabaseUnavailable,
    DomainError,
    InvalidInput,
    SchemaOutdated,
)
from backend.settings import Settings, load_settings
from tests.database.rows import ranked
from tests.support.postgres import execute
from tests.support.postgrest import PROJECT_URL, PostgREST
from tests.support.project import Project
from tests.support.stores import SCRATCH
from tests.support.tenancy import FOREIGNER, OWNER, PERSON, found_nation

Answer = Callable[[httpx.Request], httpx.Response]


class Stumbling(httpx.AsyncBaseTransport):
    """The way to PostgREST, which breaks down a number of times. `sent` counts what would have left."""

    def __init__(self, onward: httpx.AsyncBaseTransport, failures: list[Exception]) -> None:
        self.onward = onward
        self.failures = failures
        self.sent = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        if self.failures:
            raise self.failures.pop(0)
        return await self.onward.handle_async_request(request)


async def answering(answer: Answer, key: str = "k") -> SupabaseDatabase:
    return await SupabaseDatabase.open(PROJECT_URL, key, transport=httpx.MockTransport(answer))


def settings_of(project: Project) -> Settings:
    return load_settings(_env_file=None, supabase_url=project.url, supabase_key=project.key)


@pytest.fixture
async def scratch(dsn: str) -> None:
    """The scratch objects are there before PostgREST reads the schema."""
    await execute(dsn, SCRATCH)


@pytest.fixture
async def stumbling(scratch: None, postgrest: PostgREST) -> AsyncIterator[tuple[SupabaseDatabase, Stumbling]]:
    """A database whose connection can be made to break."""
    way = Stumbling(postgrest.transport(), [])
    database = await SupabaseDatabase.open(PROJECT_URL, postgrest.key(), transport=way)
    yield database, way
    await database.close()


@pytest.mark.parametrize("failure", [httpx.RemoteProtocolError, httpx.ConnectError, httpx.ReadError])
async def test_calls_and_reads_are_repeated_when_the_connection_breaks(
    stumbling: tuple[SupabaseDatabase, Stumbling], failure: type[httpx.TransportError]
) -> None:
    database, way = stumbling
    way.failures = [failure("closed"), failure("closed")]
    assert await database.call("scratch_add", {"p_a": 1}, scope=SYSTEM) == 6
    way.failures = [failure("closed"), failure("closed")]
    assert await database.select("things", scope=SYSTEM) == []
    assert way.sent == 6


async def test_writes_are_not_repeated_behind_the_callers_back(
    stumbling: tuple[SupabaseDatabase, Stumbling],
) -> None:
    database, way = stumbling
    way.failures = [httpx.RemoteProtocolError("closed")]
    with pytest.raises(DatabaseUnavailable):
        await database.insert("things", ranked(1), scope=SYSTEM)
    assert way.sent == 1


async def test_a_project_that_stays_away_is_unavailable(stumbling: tuple[SupabaseDatabase, Stumbling]) -> None:
    database, way = stumbling
    way.failures = [httpx.ConnectError("refused") for _ in range(9)]
    with pytest.raises(DatabaseUnavailable, match="refused"):
        await database.call("scratch_add", {"p_a": 1}, scope=SYSTEM)


async def test_no_answer_in_time_is_a_timeout(stumbling: tuple[SupabaseDatabase, Stumbling]) -> None:
    database, way = stumbling
    way.failures = [httpx.ReadTimeout("slow")]
    with pytest.raises(DatabaseTimeout):
        await database.call("scratch_add", {"p_a": 1}, scope=SYSTEM)
    assert way.sent == 1


@pytest.mark.parametrize(("key", "bearer"), [("sb_secret_abc", None), ("a.b.c", "Bearer a.b.c")])
async def test_a_new_style_key_travels_as_api_key_only(key: str, bearer: str | None) -> None:
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json=1)

    database = await answering(answer, key)
    await database.call("schema_version", scope=SYSTEM)
    await database.select("things", scope=SYSTEM)
    await database.close()
    assert [(headers["apikey"], headers.get("authorization")) for headers in seen] == [(key, bearer)] * 2


async def test_the_caller_is_named_in_headers_and_not_remembered() -> None:
    seen: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append({name: value for name, value in request.headers.items() if name.startswith("x-c")})
        seen[-1] |= {name: value for name, value in request.headers.items() if name.startswith("x-user")}
        seen[-1].pop("x-client-info")
        return httpx.Response(200, json=[])

    database = await answering(answer)
    await database.select("things", scope=Scope("cpo_admin", user_id="u", cpo_id="c"))
    await database.select("things", scope=Scope("noc_analyst", user_id="u"))
    await database.select("things", scope=SYSTEM)
    await database.close()
    assert seen == [
        {"x-user-role": "cpo_admin", "x-user-id": "u", "x-cpo-id": "c"},
        {"x-user-role": "noc_analyst", "x-user-id": "u"},
        {},
    ]


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (httpx.Response(401, text="Invalid API key"), DatabaseUnavailable, "refuses SUPABASE_KEY"),
        (httpx.Response(401, json={"message": "Invalid API key"}), DatabaseUnavailable, "SUPABASE_KEY"),
        (httpx.Response(502, text="<html>bad gateway</html>"), DatabaseUnavailable, "502"),
        (httpx.Response(540, json={"message": "paused"}), DatabaseUnavailable, "540"),
        (httpx.Response(504, text=""), DatabaseTimeout, "in time"),
        (httpx.Response(404, json={}), InvalidInput, "no such table"),
        (httpx.Response(404, text="no Route matched"), DatabaseUnavailable, "404"),
    ],
)
async def test_the_gateways_own_answers_are_understood(
    response: httpx.Response, kind: type[DomainError], words: str
) -> None:
    database = await answering(lambda _: response)
    with pytest.raises(kind, match=words):
        await database.insert("things", ranked(1), scope=SYSTEM)
    await database.close()


async def test_a_header_never_changes_who_a_person_is(dsn: str, postgrest: PostgREST) -> None:
    """Only the service key steps down to the named caller; a person's own token stays what it is."""
    await found_nation(dsn)
    own = {"role": "cpo_admin", "cpo_id": OWNER}
    token = postgrest.key("authenticated", sub=PERSON, app_metadata=own)
    forged = {"x-cpo-id": FOREIGNER, "x-user-role": "emsv_admin", "x-user-id": PERSON}
    async with httpx.AsyncClient(base_url=postgrest.url) as client:
        seen = await client.get("/stations", headers={"Authorization": f"Bearer {token}", **forged})
        assert [row["cpo_id"] for row in seen.json()] == [OWNER]
        assert (await client.get("/stations", headers=forged)).status_code == httpx.codes.UNAUTHORIZED


async def test_url_and_key_are_all_it_takes(supabase_project: Project) -> None:
    database = await open_database(settings_of(supabase_project))
    assert not database.listens
    await database.insert("cpos", [{"name": "A"}], scope=SYSTEM)
    assert len(await database.select("cpos", scope=SYSTEM)) == 1
    await database.close()


async def test_a_project_without_migrations_stops_the_start(dsn: str, supabase_project: Project) -> None:
    await execute(dsn, "drop function public.schema_version(); notify pgrst, 'reload schema'")
    with pytest.raises(SchemaOutdated, match="supabase db push"):
        await open_database(settings_of(supabase_project))


@pytest.mark.parametrize("given", [{"supabase_url": "https://x.test"}, {"supabase_key": "k"}])
async def test_url_and_key_belong_together(given: dict[str, str]) -> None:
    with pytest.raises(DatabaseUnavailable, match="belong together"):
        await open_database(load_settings(_env_file=None, **given))
