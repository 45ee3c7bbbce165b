"""What `lading doctor` looks at: each check says in one line what it found, or fails with a named error."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path

from chunkstore.cutting import DEFAULT, Cutter
from chunkstore.errors import LadingError, LocalProblem
from chunkstore.oserrors import leaf_for
from chunkstore.store import PathUnusable
from cli import __version__, compose
from cli.call import Run
from manifest.keys import STORE

PACKAGES = ("chunkstore", "manifest", "delta", "publisher", "client", "server", "cli")
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `error` is why it failed, `warning` what should be known and stops nothing."""

    check: str
    detail: str
    warning: str = ""
    error: LadingError | None = None


def check_up(run: Run) -> Iterator[Finding]:
    """All checks, in order; those of a store only if the settings name one."""
    checks: list[tuple[str, Callable[[Run], tuple[str, str]]]] = [
        ("program", _program),
        ("cutter", _cutter),
        ("names", _names),
        ("state folder", _state),
    ]
    if run.settings.store is not None:
        checks.append(("store", _store))
    checks.append(("clock", _clock))
    for name, look in checks:
        try:
            detail, warning = look(run)
        except LadingError as error:
            yield Finding(name, error.message, error=error)
        else:
            yield Finding(name, detail, warning)


def _program(run: Run) -> tuple[str, str]:
    python = platform.python_version()
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return f"lading {__version__}, Python {python} at {sys.executable}, {system}", ""


def _cutter(run: Run) -> tuple[str, str]:
    Cutter(DEFAULT)
    return "compiled", ""


def _names(run: Run) -> tuple[str, str]:
    """Another distribution with a package of our name would have overwritten ours, or will."""
    owners = packages_distributions()
    foreign = {name: sorted(set(owners.get(name, ())) - {"lading"}) for name in PACKAGES}
    taken = {name: others for name, others in foreign.items() if others}
    if taken:
        said = "; ".join(f"{name} comes from {', '.join(others)} as well" for name, others in taken.items())
        raise NamesTaken(said, data={"names": taken})
    return f"no other distribution owns {', '.join(PACKAGES)}", ""


def _state(run: Run) -> tuple[str, str]:
    state = run.settings.state_dir.absolute()
    there = _nearest(state)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PathUnusable("the state folder cannot be written", where=str(there))
    if there != state:
        return f"{state}, not made yet", ""
    others = os.name == "posix" and state.stat().st_mode & 0o022
    return str(state), "other users of this machine can write to it" if others else ""


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _nearest(folder.parent)
    except OSError as error:
        raise leaf_for(error, folder) from error
    return folder


def _store(run: Run) -> tuple[str, str]:
    with compose.reading(run) as opened:
        if opened.folder is None:
            opened.meter.get_range(STORE, 0, 1)
            return f"{opened.registry.url} answers, ranges too; it can only be read", ""
        compose.keep_apart(opened.folder, run.settings.state_dir, None)
        warning = "" if os.access(opened.folder, os.W_OK) else "this user cannot write to it"
        return str(opened.folder), warning


def _clock(run: Run) -> tuple[str, str]:
    now = run.clock.now()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ahead = _newest_time(run) - now
    warning = f"{ahead:.0f} seconds behind what the store has seen" if ahead > _PATIENCE_SECONDS else ""
    return shown, warning


def _newest_time(run: Run) -> float:
    """The latest moment that the store bears witness of; 0 if it cannot be asked."""
    if run.settings.store is None:
        return 0.0
    try:
        with compose.reading(run) as opened:
            return opened.meter.stat(STORE).modified
    except LadingError:
        return 0.0


class NamesTaken(LocalProblem):
    """Another distribution in this environment brings packages of the same names."""

    code = "names-taken"
    default_cause = "Two distributions with one package name overwrite each other's files."
    default_next = "Install lading into an environment of its own."
