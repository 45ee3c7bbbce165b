"""The command line as a user to whom file modes mean something, even where the tests run as root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.kit.command import Finished

NOBODY = 65534
_ROOT = Path(__file__).parents[2]

# Everything is imported before rights are given up: the program may lie where nobody may look.
_PROGRAM = f"""
import os, sys
from tests.kit.errors import import_everything
import_everything()
import pathspec, platformdirs, rich.progress  # what the program itself imports only when it is needed
import _strptime  # and what the standard library does
platformdirs.user_config_path(), platformdirs.user_data_path()
if os.geteuid() == 0:
    os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
from cli.main import main
main()
"""


def is_root() -> bool:
    """Whether file modes mean nothing to this process."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def give_to_nobody(folder: Path) -> None:
    """Let the user of `lading_as_nobody` own a folder with all that lies in it."""
    if is_root():
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def lading_as_nobody(*argv: str, home: Path) -> Finished:
    """Run `lading` with these words; what it remembers lies below `home`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LADING_")}
    environ |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "LADING_STATE_DIR": str(home / "state")}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *argv], cwd=_ROOT, env=environ, capture_output=True, check=False
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())
