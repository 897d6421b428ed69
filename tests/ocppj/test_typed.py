"""Decoders made from the standard's schemas take what the schema takes, and read it as the ordinary way would."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.readings import Metered, normalise
from backend.domain.timestamps import read_timestamp
from backend.ocppj import typed
from backend.ocppj.frames import read_frame
from backend.ocppj.schemas import schema_of, validator
from tests.flows.fuzz import STRANGE

DECODER = typed.decoder("v16", "MeterValues")
MEMBERS = schema_of("v16", "MeterValues")["properties"]["meterValue"]["items"]["properties"]  # type: ignore[index]
SAMPLE = MEMBERS["sampledValue"]["items"]["properties"]

numbers = st.decimals(-(10**9), 10**9, places=3).map(str) | st.text(max_size=5)
samples = st.fixed_dictionaries(
    {"value": numbers},
    optional={name: st.sampled_from(rule["enum"]) for name, rule in SAMPLE.items() if "enum" in rule},
)
moments = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
payloads = st.fixed_dictionaries(
    {
        "connectorId": st.integers(0, 10),
        "meterValue": st.lists(
            st.fixed_dictionaries({"timestamp": moments, "sampledValue": st.lists(samples, min_size=1, max_size=4)}),
            min_size=1, max_size=3,
        ),
    },
    optional={"transactionId": st.integers(-(2**70), 2**70)},
)  # fmt: skip


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) inside a payload."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, value in inside for place in ((node, key), *places(value))]


@given(payloads)
def test_a_valid_payload_reads_as_the_ordinary_way_reads_it(payload: dict[str, Any]) -> None:
    frame = read_frame(json.dumps([2, "1", "MeterValues", payload]).encode(), {"MeterValues": DECODER})
    if isinstance(frame.payload, dict):  # a zone with seconds is no RFC 3339: both say so
        assert not valid(payload)
        return

    assert (frame.payload.connectorId, frame.payload.transactionId) == (
        payload["connectorId"], payload.get("transactionId"),
    )  # fmt: skip
    for quick, said in zip(frame.payload.meterValue, payload["meterValue"], strict=True):
        slow = Metered.of(said)
        assert read_timestamp(quick.timestamp) == read_timestamp(slow.timestamp)
        assert normalise(quick.sampledValue) == normalise(slow.samples)


@given(payloads, st.randoms(use_true_random=False))
def test_whatever_the_schema_refuses_is_refused(payload: dict[str, Any], chance: random.Random) -> None:
    broken = copy.deepcopy(payload)
    holder, key = chance.choice(places(broken))
    holder[key] = chance.choice(STRANGE)
    if chance.random() < 0.3 and isinstance(holder, dict):
        holder["vendorMember"] = 1

    if taken(broken):
        assert valid(broken)


def taken(payload: dict[str, Any]) -> bool:
    """By the decoder."""
    try:
        DECODER.decode(json.dumps(payload))
    except msgspec.MsgspecError:
        return False
    return True


def valid(payload: dict[str, Any]) -> bool:
    """By the schema."""
    found = validator("v16", "MeterValues")
    assert found is not None
    told: list[Any] = []
    try:
        found.check(copy.deepcopy(payload), lambda quirk, example: told.append(quirk))
    except Exception:
        return False
    return not told


@pytest.mark.parametrize("data", [
    b'[2,"1","MeterValues",{"connectorId":1}]', b'[2,"1","Heartbeat",{}]', b'[3,"1","MeterValues",{}]',
    b'[2,1,"MeterValues",{"connectorId":1,"meterValue":[]}]', b'[2,"1","MeterValues",null]',
])  # fmt: skip
def test_what_is_not_for_a_decoder_goes_the_ordinary_way(data: bytes) -> None:
    try:
        ordinary: Any = read_frame(data)
    except Exception as error:
        ordinary = str(error)
    try:
        assert read_frame(data, {"MeterValues": DECODER}) == ordinary
    except Exception as error:
        assert str(error) == ordinary


def test_an_unknown_action_has_no_decoder() -> None:
    with pytest.raises(KeyError):
        typed.decoder("v16", "Teleport")
