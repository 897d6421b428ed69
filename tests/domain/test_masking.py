"""Who may not see identifiers sees masks that can be followed, and everything else as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.masking import Mask

MASK = Mask(b"a key of the tests, long enough")
TAG = MASK.word("CARD-77")


@pytest.mark.parametrize(
    "frame",
    [
        '[2,"1","Authorize",{"idTag":"CARD-77"}]',
        '[2,"1","StartTransaction",{"connectorId":1, "idTag" : "card-77","meterStart":1.50,"timestamp":"2026"}]',
        '[3,"1",{"idTagInfo":{"status":"Accepted","parentIdTag":"CARD-77"},"transactionId":9}]',
        '[2,"1","SendLocalList",{"localAuthorizationList":[{"idTag":"A","idTagInfo":{"parentIdTag":"CARD-77"}}]}]',
        '[2,"1","DataTransfer",{"vendorId":"V","data":"{\\"idTag\\":\\"CARD-77\\"}"}]',
        '[2,"1","BootNotification",{"iccid":"CARD-77","chargePointModel":"M"}]',
        '[2,"1","Authorize",{"idToken":{"idToken":"CARD-77","type":"ISO14443"}}]',
        '[2,"1","Authorize",{"idTag":"\\u0043ARD-77"}]',
        '[2,"1","Authorize",{"\\u0069dTag":"CARD-77"}]',
        '[4,"1","InternalError","down",{"idTag":"CARD-77"}]',
        '[2,"1","DataTransfer",{"data":"{\\"idTag\\":[\\"CARD-77\\"]}"}]',
        '[2,"1","DataTransfer",{"data":"{\\"idTags\\":[\\"CARD-77\\",{\\"id\\":\\"CARD-77\\"}]}"}]',
        '[2,"1","DataTransfer",{"data":"{\\"uid\\":\\"CARD-77\\",\\"id_tag\\":\\"CARD-77\\",\\"tagId\\":\\"CARD-77\\"}"}]',
        '[2,"1","DataTransfer",{"data":"{\\"rfidTag\\":\\"CARD-77\\",\\"IDTAGS\\":[\\"CARD-77\\"]}"}]',
        '[2,"1","DataTransfer",{"data":"{\\"card\\":{\\"CARD-77\\":true}}"}]',
        '[2,"1","DataTransfer",{"data":"CARD-77"}]',
        '[3,"1",{"status":"Accepted","data":"[\\"CARD-77\\"]"}]',
        '[2,"1","Authorize",{"x":{"idTag":"CARD-77"},"x":1}]',
        '[2,"1","ChangeConfiguration",{"key":"FreeIdTag","value":"CARD-77"}]',
        'Authorize {"idTag":"CARD-77"} and more',
        'DataTransfer {"data":"CARD-77"} and more',
        '[2,"1","Authorize",{"idTag":"CARD-77"}]]',
    ],
)
def test_an_identifier_is_masked_wherever_it_stands(frame: str) -> None:
    shown = MASK.frame(frame)
    assert "card-77" not in shown.lower()
    assert TAG in shown


@pytest.mark.parametrize(
    "frame",
    [
        '[2,"1","DataTransfer",{"vendorId":"V","data":"idTag=CARD-77;ok"}]',
        '[2,"1","DataTransfer",{"vendorId":"V","data":"<idTag>CARD-77</idTag>"}]',
        '[2,"1","SecurityEventNotification",{"type":"X","techInfo":"idTag CARD-77 refused"}]',
        '[2,"1","StatusNotification",{"info":"invalid tag: CARD-77"}]',
        '{"idTag":CARD-77}',
        "{'idTag':'CARD-77'}",
        '[2,"1","DataTransfer",{"data":"CARD-77',
        '"idTag CARD-77"',
        'x {"a":1} idTag CARD-77',
        '{"a":1} {"idTag":"CARD-77"}',
        '[2,"1","StartTransaction",{"idTag":"CARD-77","meterStart":',
        '[2,"1","StartTransaction",{"connectorId":1,"idTag":"CARD-7',
    ],
)
def test_where_words_told_an_identifier_it_is_hidden(frame: str) -> None:
    shown = MASK.frame(frame)
    assert "card-7" not in shown.lower()
    assert "***" in shown


_TAG: Final = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", min_size=6, max_size=20).map("Q7".__add__)
_SPELLINGS: Final = st.builds(
    lambda stem, case, between, plural: case(between.join(stem)) + plural,
    st.sampled_from(
        [("id", "Tag"), ("parent", "Id", "Tag"), ("tag", "Id"), ("id", "Token"), ("uid",), ("rfid",), ("card", "Uid")]
    ),
    st.sampled_from([str, str.lower, str.upper]),
    st.sampled_from(["", "_", "-"]),
    st.sampled_from(["", "s"]),
)  # fmt: skip
_VALUES: Final[list[Callable[[str], object]]] = [
    str, lambda tag: [tag], lambda tag: [{"id": tag}], lambda tag: {"value": tag, "type": "ISO14443"},
    lambda tag: {tag: True}, lambda tag: {"nested": [[tag]]},
]  # fmt: skip
_WORDS: Final[list[Callable[[str, str], str]]] = [
    "{}={};ok".format, "<{0}>{1}</{0}>".format, "{} {} refused".format, "{{'{}':'{}'}}".format, '{{"{}":{}}}'.format,
    '{{"{}": "{}'.format,
]  # fmt: skip


@given(_TAG, _SPELLINGS, st.sampled_from(_VALUES), st.integers(0, 3), st.data())
def test_no_spelling_shape_or_depth_shows_an_identifier(
    tag: str, name: str, value: Callable[[str], object], depth: int, draw: st.DataObject
) -> None:
    payload: object = {"vendorId": "V", "x": [{name: value(tag)}]}
    for _ in range(depth):
        payload = {"info": json.dumps(payload)}
    frame = json.dumps([2, "1", "DataTransfer", payload])
    assert tag not in MASK.frame(frame)
    assert json.loads(MASK.frame(frame))[:3] == [2, "1", "DataTransfer"]
    cut = draw.draw(st.integers(frame.index(tag), len(frame)), label="cut")
    assert frame[frame.index(tag) : cut][:4] not in MASK.frame(frame[:cut]) or cut - frame.index(tag) < 4


@given(_TAG, _SPELLINGS, st.sampled_from(_WORDS), st.sampled_from(["data", "techInfo", "info", None]))
def test_no_words_show_an_identifier(tag: str, name: str, words: Callable[[str, str], str], member: str | None) -> None:
    text = words(name, tag)
    assert tag not in MASK.frame(text if member is None else json.dumps([2, "1", "DataTransfer", {member: text}]))


def test_numbers_that_are_identifiers_are_masked_like_texts() -> None:
    assert (
        MASK.frame('[2,"1","Authorize",{"idTag":12345}]') == f'[2,"1","Authorize",{{"idTag":"{MASK.word("12345")}"}}]'
    )


def test_words_about_an_identifier_are_cut_behind_its_name() -> None:
    frame = json.dumps([4, "1", "TypeConstraintViolation", 'idTag: {"x":"CARD-77"} is not of type "string"', {}])
    assert json.loads(MASK.frame(frame)) == [4, "1", "TypeConstraintViolation", "idTag: ***", {}]


@pytest.mark.parametrize(
    "frame",
    [
        '[2, "1", "MeterValues", {"connectorId":1,"meterValue":[{"sampledValue":[{"value":"1.500e2"}]}]}]',
        '[4,"1","NotImplemented","Vendor is not served here.",{}]',
        "not JSON at all",
        '[2,"1","Heartbeat",{}',
        '[3,"1",{"configurationKey":[{"key":"RfidEnabled","readonly":false,"value":"true"}]}]',
        '[2,"1","MeterValues",{"value":1.50,  "x":"Voltage","big":100000000000000000000,"n":1e400}]',
        '[2,"1","StatusNotification",{"info":"Door open, no vehicle","vendorErrorCode":"RfidReaderFault"}]',
    ],
)
def test_everything_else_stays_as_it_was(frame: str) -> None:
    assert MASK.frame(frame) == frame


def test_what_stands_beside_an_identifier_stays_as_it_was_written() -> None:
    frame = '[2,"1","StartTransaction",{"connectorId":1,"idTag":"CARD-77","meterStart":1.50,"meterStart":2e400}]'
    assert MASK.frame(frame) == frame.replace("CARD-77", TAG)
    told = '[2,"1","Authorize",{"idToken":{"idToken":"CARD-77","type":"ISO14443"},"idTagInfo":{"status":"Blocked"}}]'
    assert MASK.frame(told) == told.replace("CARD-77", TAG)


def test_half_characters_did_make_a_frame_that_cannot_be_sent() -> None:
    frame = '[2,"1","Authorize",{"idTag":"CARD-77","info":"\\ud800"}]'
    shown = MASK.frame(frame)
    assert shown.encode()
    assert json.loads(shown)[3] == {"idTag": TAG, "info": "\ud800"}
    assert MASK.frame('[2,"1","Authorize",{"idTag":"\\ud800"}]').encode()


def test_the_same_identifier_has_the_same_mask_and_another_key_another_one() -> None:
    assert MASK.word("Card-77 ") == TAG
    assert MASK.word("CARD-78") != TAG
    assert Mask(b"another").word("CARD-77") != TAG
    assert len({MASK.word(f"CARD-{number}") for number in range(100)}) == 100


def test_a_frame_that_is_as_long_and_odd_as_may_be_takes_no_time() -> None:
    frame = '[2,"1","DataTransfer",{"data":"' + '\\"idTag\\":\\"' * 5000 + '"}]'
    for text in (frame, frame[:-3], '[2,"1","X",{"info":"' + "idTag " * 50_000 + '"}]', "idTag" + " " * 500_000):
        assert len(MASK.frame(text)) < 600_000
    assert MASK.frame("[" * 50_000 + "\\u0041")
