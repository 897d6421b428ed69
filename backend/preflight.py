"""What must be true of the machine before the platform starts; each failing check says what to do."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from backend.settings import Settings

LEAST_FREE_BYTES = 500 * 1024 * 1024


def ports(settings: Settings) -> dict[str, tuple[str, int]]:
    """Every port `make run` opens: what for → (address, port)."""
    return {
        "UNIEV_OCPP_PORT": (settings.ocpp_host, settings.ocpp_port),
        "UNIEV_API_PORT": (settings.api_host, settings.api_port),
        "UNIEV_CPO_PORT": ("0.0.0.0", settings.cpo_port),
        "UNIEV_EMSV_PORT": ("0.0.0.0", settings.emsv_port),
        "UNIEV_SIMEV_PORT": ("0.0.0.0", settings.simev_port),
    }


def troubles(settings: Settings) -> Iterable[str]:
    """One sentence for each thing that stands in the way; nothing when all is well."""
    for variable, (host, port) in ports(settings).items():
        if not _is_free(host, port):
            yield f"Port {port} is taken: stop what listens there, or set {variable} to another port."
    yield from _directory_troubles(settings.data_dir)


def free_bytes(directory: Path) -> int:
    """Room on the disk that holds `directory`, or will once it is made."""
    return shutil.disk_usage(_nearest(directory)).free


def _nearest(directory: Path) -> Path:
    return next(place for place in [directory.absolute(), *directory.absolute().parents] if place.exists())


def _directory_troubles(directory: Path) -> Iterable[str]:
    if not os.access(_nearest(directory), os.W_OK):
        yield f"{directory} cannot be written: change its owner, or set UNIEV_DATA_DIR to another directory."
    free = free_bytes(directory)
    if free < LEAST_FREE_BYTES:
        yield (
            f"The disk of {directory} has {free // 2**20} MiB left and the platform needs {LEAST_FREE_BYTES // 2**20}: "
            "make room, or set UNIEV_DATA_DIR to another disk."
        )


def _is_free(host: str, port: int) -> bool:
    if port == 0:
        return True
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
