"""A real OpenID Connect issuer on loopback, and a browser that logs in there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bench.ports import free_port
from tests.support.tools import require_tool

_SCRIPT = Path(__file__).with_name("oidc_issuer.mjs")


def new_key(kid: str) -> dict[str, Any]:
    """A private signing key (JWK)."""
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    return {**key, "kid": kid, "use": "sig", "alg": "RS256"}


@contextmanager
def running_issuer(config: dict[str, Any], port: int | None = None) -> Iterator[str]:
    """Starts the issuer; gives its address. `config`: clients, people, jwks."""
    node, package = require_tool("node"), require_tool("oidc_provider")
    port = port or free_port()
    command = [node, _SCRIPT, str(port), json.dumps(config), str(package.parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        while "ready" not in (line := process.stdout.readline()):
            assert line or process.poll() is None, "the issuer ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def log_in(url: str, person: str) -> dict[str, str]:
    """What a browser brings back to us after it has logged in and agreed at the issuer: code, state, iss."""
    with httpx.Client(trust_env=False, follow_redirects=False) as browser:
        reply = browser.get(url)
        while True:
            if reply.is_redirect:
                target = str(reply.url.join(reply.headers["location"]))
                if "/auth/sso/callback" in target:
                    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
                reply = browser.get(target)
                continue
            assert reply.status_code == 200, reply.text
            found = re.search(r'<form[^>]* action="([^"]+)"', reply.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', reply.text)
            assert found and prompt, reply.text
            fields = {"prompt": prompt[1], "login": person, "password": "any"}
            reply = browser.post(str(reply.url.join(found[1])), data=fields)
