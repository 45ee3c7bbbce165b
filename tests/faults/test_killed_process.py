"""Real processes, really killed: no simulation stands between the program and the system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_updates_killed_at_ten_moments() -> None:
    """R-2.3.2: each is the old build, or between and told so; the same command brings each to the new one."""
    program = Path(__file__).with_name("kill_updates.py")
    ran = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert len(lines) == 10
    assert {found for _, found, _ in lines} <= {"old", "between", "new"}
    assert [after for _, _, after in lines] == ["new"] * 10
    assert [ended for ended, _, _ in lines].count("killed") >= 2
