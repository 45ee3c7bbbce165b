"""Server programs that some tests need: found, or a reason to skip, or a failure where they are required."""

from __future__ import annotations

import os
import shutil
import socket

import pytest


def require_program(name: str) -> str:
    """The path of `name`. Without it the test is skipped; with `LADING_REQUIRE_SERVICES=1` it fails."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin")
    if path:
        return path
    if os.environ.get("LADING_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{name} is required here and not installed")
    pytest.skip(f"{name} is not installed")


def free_port() -> int:
    """A loopback port that nobody holds at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
