"""What among chargers' secrets is shown: passwords in configuration keys and in links."""

from __future__ import annotations

import asyncpg
import pytest

from backend.domain.configuration import check_links, hide_in_call, hide_links, hide_url_passwords, new_password
from backend.domain.errors import InvalidInput

KEY = bytes(range(20))


@pytest.mark.parametrize(
    ("key", "password"),
    [
        ("AuthorizationKey", KEY),
        ("AUTHORIZATIONKEY", KEY),
        ("Authorization\u212aey", None),  # KELVIN SIGN: a capital k for Python, not for every database
        ("AuthorizationKeys", None),
    ],
)
def test_a_key_is_the_passwords_in_every_ascii_case(key: str, password: bytes | None) -> None:
    assert new_password("ChangeConfiguration", {"key": key, "value": KEY.hex()}) == password


LINKS = {
    "ftp://u:p4ss@h/f.bin": "ftp://u:***@h/f.bin",
    "ftps://u:p4:ss@h:21/": "ftps://u:***@h:21/",
    "ftp://:p4ss@h": "ftp://:***@h",
    "ftp://u:p4@ss@h/a@b": "ftp://u:***@h/a@b",
    "ftp://u:p4/ss@h/f": "ftp://u:***@h/f",
    "sftp://u:1234@h/f": "sftp://u:***@h/f",
    'ftp://u:p4"s<s@h': "ftp://u:***@h",
    "see ftp://u:p4ss@h/f, http://v:p4ss@h:80/x": "see ftp://u:***@h/f, http://v:***@h:80/x",
    "http://h:8080/a@b": "http://h:8080/a@b",
    "http://h:/a@b?c=d:e@f": "http://h:/a@b?c=d:e@f",
    "http://[::1]:80/a@b": "http://[::1]:80/a@b",
    "http://u@h/f": "http://u@h/f",
    "http://h/f:g@i": "http://h/f:g@i",
    "mail a:b@c": "mail a:b@c",
}


@pytest.mark.parametrize(("link", "shown"), LINKS.items())
def test_a_links_password_is_not_shown(link: str, shown: str) -> None:
    asked = {"location": link, "log": {"remoteLocation": link, "all": [link]}}
    told = {"location": shown, "log": {"remoteLocation": shown, "all": [shown]}}
    assert hide_links(asked) == told
    assert (hide_links(asked) is asked) == (link == shown)
    assert hide_in_call("DataTransfer", {"data": link}) == {"data": shown}


async def test_the_database_hides_the_same_of_a_link(dsn: str) -> None:
    store = await asyncpg.connect(dsn)
    try:
        shown = {link: await store.fetchval("select private.link_without_password($1)", link) for link in LINKS}
    finally:
        await store.close()
    assert shown == LINKS


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        ('[3,"1",{"a":"ftp://u:p4@h","b":"x@y"}]', '[3,"1",{"a":"ftp://u:***@h","b":"x@y"}]'),
        (r'[3,"1",{"a":"ftp:\/\/u:p4\/5@h\/f"}]', r'[3,"1",{"a":"ftp:\/\/u:***@h\/f"}]'),
        (r'{"data":"{\"a\":\"ftp:\\/\\/u:p4@h\\/f\"}"}', r'{"data":"{\"a\":\"ftp:\\/\\/u:***@h\\/f\"}"}'),
        (r'{"data":"{\"a\":\"http://h:80\",\"b\":\"x@y\"}"}', r'{"data":"{\"a\":\"http://h:80\",\"b\":\"x@y\"}"}'),
        ('{"a":"ftp://u:p4ss', '{"a":"ftp://u:***'),
        ('{"a":"ftp://h:21', '{"a":"ftp://h:21'),
        ("<a>ftp://u:p4@h</a><b>x@y</b>", "<a>ftp://u:***@h</a><b>x@y</b>"),
    ],
)
def test_a_frame_stays_as_it_was_but_for_passwords_in_links(frame: str, shown: str) -> None:
    assert hide_url_passwords(frame) == shown


def test_a_frame_of_nothing_but_links_takes_no_time() -> None:
    for part in ("://a:b", "://", ":\\", ":////", "://a:@", "x://u:p/"):
        assert hide_url_passwords(part * 150_000)


def test_a_link_that_was_copied_from_where_it_is_shown_was_sent_without_its_password() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_links({"log": {"remoteLocation": "ftp://u:***@h/"}})
    assert refused.value.members[0][0] == "remoteLocation"
    check_links({"location": "ftp://u:p4ss@h/", "key": "AuthorizationKey", "value": "***"})
