"""Frames: what we write reads as it was, and whatever comes is a frame or a BadFrame."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ocppj import frames
from backend.ocppj.frames import BadFrame, Frame, read_frame

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
payloads = st.dictionaries(texts, values, max_size=4)
ids = texts | st.integers(0, 2**63)


@given(texts, texts, payloads)
def test_a_call_reads_as_it_was_written(message_id: str, action: str, payload: dict[str, Any]) -> None:
    assert read_frame(frames.call(message_id, action, payload)) == Frame(frames.CALL, message_id, action, payload)


@given(ids, payloads)
def test_a_result_reads_as_it_was_written(message_id: str | int, payload: dict[str, Any]) -> None:
    assert read_frame(frames.result(message_id, payload)) == Frame(frames.RESULT, message_id, payload=payload)


@given(ids, texts, st.text(st.characters(exclude_categories=["Cs"]), max_size=600))
def test_an_error_reads_as_it_was_written_but_for_its_length(message_id: str | int, code: str, words: str) -> None:
    frame = read_frame(frames.error(message_id, code, words))

    assert (frame.kind, frame.message_id, frame.code, frame.description) == (4, message_id, code, words[:255])


@given(st.binary(max_size=60) | st.lists(values, max_size=6).map(lambda value: json.dumps(value).encode())
       | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))  # fmt: skip
def test_whatever_comes_is_a_frame_or_a_bad_frame(data: bytes) -> None:
    try:
        frame = read_frame(data)
    except BadFrame as bad:
        assert bad.message_id is None or read_frame(frames.error(bad.message_id, bad.code, bad.description)).kind == 4
    else:
        assert frame.kind in (2, 3, 4)
        assert frame.kind == 4 or isinstance(frame.payload, dict)


@given(payloads, st.data())
def test_a_frame_cut_short_is_bad(payload: dict[str, Any], data: st.DataObject) -> None:
    whole = frames.call("id", "Action", payload)
    with pytest.raises(BadFrame):
        read_frame(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize(("wire", "payload"), [
    (b'[2,"m","A",{"a":,"b":1}]', {"a": None, "b": 1}), (b'[2,"m","A",{"a":}]', {"a": None}),
    (b'[2,"m","A",{"a": NaN , "b":-Infinity}]', {"a": None, "b": None}),
    (b'[2,"m","A",{"a":[{"b":}]}]', {"a": [{"b": None}]}),
    (b'[2,"m","A",{"a":"\xe9"}]', {"a": "\ufffd"}), (b'[2,"m","A",null]', {}), (b'[2,"m","A"]', {}),
    (b'[2,"m","A",{"a":"b:,}","c":}]', {"a": "b:,}", "c": None}),
])  # fmt: skip
def test_what_chargers_break_is_mended(wire: bytes, payload: dict[str, Any]) -> None:
    assert read_frame(wire).payload == payload
