"""What a Streamlit room shows, as text, whatever the element."""

import html
import json
import re
from typing import Any

import httpx
from streamlit.testing.v1 import AppTest

PASSWORD = "uniev-demo-2026"


def sign_in(api_url: str, email: str, password: str = PASSWORD) -> dict[str, Any]:
    """The API's answer to a login."""
    reply = httpx.post(f"{api_url}/api/auth/login", json={"email": email, "password": password}, trust_env=False)
    answer: dict[str, Any] = reply.raise_for_status().json()
    return answer


def panels(app: AppTest) -> list[str]:
    """The HTML of every panel on the page, in order."""
    return [_html(node.proto) for node in app.get("bidi_component")]


def words(app: AppTest) -> str:
    """Everything a reader sees in the panels, headings, metrics, notices and captions, tags removed."""
    plain = [re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", panel))) for panel in panels(app)]
    for kind in ("title", "subheader", "caption", "markdown", "info", "warning", "error", "success"):
        plain += [
            re.sub(r"\\([^\w\s])", r"\1", str(element.value)) for element in getattr(app, kind)
        ]  # as Markdown does
    plain += [f"{metric.label} {metric.value}" for metric in app.metric]
    return "\n".join(plain)


def _html(proto: Any) -> str:
    data = json.loads(proto.json or proto.mixed.json)
    return str(data["html"])
