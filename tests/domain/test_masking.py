"""Who may not see identifiers sees masks that can be followed, and everything else as it was."""

from __future__ import annotations

import json

import pytest

from backend.domain.masking import MEMBERS, Mask

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
        '[2,"1","StartTransaction",{"idTag":"CARD-77","meterStart":',
        '[4,"1","InternalError","down",{"idTag":"CARD-77"}]',
    ],
)
def test_an_identifier_is_masked_wherever_it_stands(frame: str) -> None:
    shown = MASK.frame(frame)
    assert "card-77" not in shown.lower()
    assert TAG in shown


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
    ],
)
def test_everything_else_stays_as_it_was(frame: str) -> None:
    assert json.loads(MASK.frame(frame)) == json.loads(frame) if frame.endswith("]") else MASK.frame(frame) == frame


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
    assert len({MASK.word(name) for name in MEMBERS}) == len(MEMBERS)


def test_a_frame_that_is_as_long_and_odd_as_may_be_takes_no_time() -> None:
    frame = '[2,"1","DataTransfer",{"data":"' + '\\"idTag\\":\\"' * 5000 + '"}]'
    assert len(MASK.frame(frame)) > 1000
    assert MASK.frame("[" * 50_000 + "\\u0041")
