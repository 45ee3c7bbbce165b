"""Whether two folders are the same, judged by programs that are not ours."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

_OWN = ".lading"
_PLAIN = ("--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", f"--exclude=./{_OWN}")


def assert_same_tree(found: Path, wanted: Path) -> None:
    """Equal bytes by `diff`, equal modes, kinds and link targets by `tar`; what Lading keeps for itself left out."""
    command = ["diff", "-r", "--no-dereference", "-x", _OWN, str(found), str(wanted)]
    compared = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (compared.returncode, compared.stdout + compared.stderr) == (0, "")
    assert tar_digest(found) == tar_digest(wanted), f"found:\n{_listing(found)}\nwanted:\n{_listing(wanted)}"


def tar_digest(folder: Path) -> str:
    """The SHA-256 of a folder as an archive without owners and times."""
    return hashlib.sha256(_archive(folder)).hexdigest()


def _archive(folder: Path) -> bytes:
    return subprocess.run(["tar", *_PLAIN, "-C", str(folder), "-cf", "-", "."], capture_output=True, check=True).stdout


def _listing(folder: Path) -> str:
    return subprocess.run(["tar", "-tvf", "-"], input=_archive(folder), capture_output=True, check=True).stdout.decode()
