"""The first file of a multipart form, piece by piece: some chargers upload as a browser would."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from backend.domain.errors import InvalidInput


class FirstFile:
    """Reads a form as it comes. `name` is known once the first piece came."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        _, options = parse_options_header(content_type)
        if not options.get(b"boundary"):
            raise InvalidInput("The form has no boundary.", code="bad_form")
        self._body = body
        self._pieces: list[bytes] = []
        self._header = (bytearray(), bytearray())
        self._state = "before"
        self.name: str | None = None
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._on_header,
                "on_part_data": self._on_data,
                "on_part_end": self._on_end,
            },
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                self._parser.write(chunk)
                if self._pieces:
                    yield b"".join(self._pieces)
                    self._pieces.clear()
        except MultipartParseError as error:
            raise InvalidInput("The form is broken.", code="bad_form") from error
        if self._state != "after":
            raise InvalidInput("The form holds no whole file.", code="bad_form")

    def _on_header(self) -> None:
        field, value = bytes(self._header[0]).lower(), self._header[1].decode("utf-8", "replace")
        self._header = (bytearray(), bytearray())
        if field == b"content-disposition" and self._state == "before":
            message = Message()
            message["Content-Disposition"] = value
            name = message.get_filename()
            if name is not None:
                self.name, self._state = name, "within"

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._state == "within":
            self._pieces.append(data[start:end])

    def _on_end(self) -> None:
        if self._state == "within":
            self._state = "after"
