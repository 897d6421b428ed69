"""Small pieces that every room uses: breadcrumb, age line, empty states, CSV export, refusals."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common.api import ApiRefused
from dashboards.common.desk import Answer
from dashboards.common.formats import number
from dashboards.common.panel import ago, draw, link
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer

LIST_CAP = 10_000
"""Rows of a file at most."""


def crumbs(*steps: tuple[str, str, Mapping[str, Any]], here: str, key: str = "crumbs") -> None:
    """Where we are: `(page, label, params)` for each step above, then this place."""
    above = Markup().join(Markup("<li>{}</li>").format(link(page, label, **params)) for page, label, params in steps)
    draw(
        Markup('<nav aria-label="{}"><ol class="crumbs">{}<li aria-current="page">{}</li></ol></nav>').format(
            t("crumbs.label"), above, here
        ),
        key,
    )


def age_of(answer: Answer) -> str:
    """When the API said it, as ISO 8601."""
    return datetime.fromtimestamp(answer.at, UTC).isoformat()


def as_of(answer: Answer, *extra: str) -> Markup:
    """The line that tells how old the numbers below are."""
    tail = Markup().join(Markup("<span>{}</span>").format(text) for text in extra)
    return Markup('<p class="asof"><span>{} {}</span>{}</p>').format(
        t("age.data"), ago(age_of(answer), stale=True), tail
    )


def table(columns: Sequence[str], rows: Iterable[Markup], *, numbers: Collection[str] = ()) -> Markup:
    """Rows of cells under the headings `column.<name>`; number columns stand to the right."""
    head = Markup().join(
        Markup('<th class="{}">{}</th>').format("num" if name in numbers else "", t(f"column.{name}"))
        for name in columns
    )
    return Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        head, Markup().join(rows)
    )


def line(*cells: Any, numbers: Collection[int] = ()) -> Markup:
    """One row of a table; `numbers` are the places of number cells."""
    return Markup("<tr>{}</tr>").format(
        Markup().join(
            Markup('<td class="{}">{}</td>').format("num" if place in numbers else "", cell)
            for place, cell in enumerate(cells)
        )
    )


def empty(text_key: str, *, key: str, **values: Any) -> None:
    """An empty place that says why it is empty and what to do next (`….title`, `….text`)."""
    draw(
        Markup('<section class="empty"><h3>{}</h3><p>{}</p></section>').format(
            t(f"{text_key}.title", **values), t(f"{text_key}.text", **values)
        ),
        key,
    )


def plain(text: str) -> str:
    """Words of other people, kept from becoming Markdown."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|~:$" else c for c in text)


def failed(refusal: ApiRefused) -> None:
    """A refusal of the API in words."""
    st.error(refusal_words(refusal), icon=":material/block:")


def refusal_words(refusal: ApiRefused) -> str:
    ours = f"api.refused.{refusal.code}"
    return t(ours) if known(ours) else t("api.refused.other", detail=plain(refusal.detail))


def csv_button(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], name: str, *, more: bool = False) -> None:
    """Download what the filters leave, with the API's own column names and UTC times; says how much it holds."""
    st.download_button(
        t("csv.button", n=len(rows)),
        csv_bytes(rows, columns),
        file_name=f"uniev-{name}-{datetime.now(UTC):%Y%m%d-%H%M}Z.csv",
        mime="text/csv",
        icon=":material/download:",
        help=t("csv.help_more") if more else t("csv.help"),
        key=f"csv_{name}",
        disabled=not rows,
        on_click="ignore",
    )


def csv_of_list(viewer: Viewer, path: str, wanted: Mapping[str, Any], columns: Sequence[str], name: str) -> None:
    """Download a list of the API beyond the page on the screen, made when it is asked for; `wanted` are its filters."""
    st.download_button(
        t("csv.whole"),
        partial(_csv_of_list, viewer, path, wanted, columns),
        file_name=f"uniev-{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        help=t("csv.whole_help", n=number(LIST_CAP, viewer.language)),
        key=f"csv_{name}",
        on_click="ignore",
    )


def _csv_of_list(viewer: Viewer, path: str, wanted: Mapping[str, Any], columns: Sequence[str]) -> bytes:
    return csv_bytes(viewer.api.pages(path, LIST_CAP, **wanted)[0], columns)


def csv_bytes(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """UTF-8 with a byte-order mark, because spreadsheets guess otherwise; formulas are defused."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    # A text that begins like a formula would be run by the spreadsheet that opens the file.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
