"""Rows of the scratch table `things`."""

from typing import Any

from backend.database import SYSTEM, Database


def ranked(*ranks: int, **more: Any) -> list[dict[str, Any]]:
    return [{"rank": rank, "name": f"thing {rank}", **more} for rank in ranks]


async def ranks(store: Database, **query: Any) -> list[int]:
    rows = await store.select("things", scope=SYSTEM, columns="rank", **query)
    return [row["rank"] for row in rows]
