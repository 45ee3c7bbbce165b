"""What `lading doctor` looks at: each check says in one line what it found, or fails with a named error."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

from chunkstore.cutting import DEFAULT, Cutter
from chunkstore.errors import LadingError, LocalProblem
from chunkstore.oserrors import leaf_for
from chunkstore.store import PathUnusable
from cli import __version__, compose
from cli.call import Run
from cli.keycheckup import look_at_keys
from manifest.durations import CLOCK_TOLERANCE, duration
from manifest.keys import STORE
from manifest.trust.folder import TrustFolder

PACKAGES = ("chunkstore", "manifest", "delta", "publisher", "client", "server", "cli")


class Said(NamedTuple):
    """What is so, what should be known of it and stops nothing, and what to do about that."""

    detail: str
    warning: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `error` is why it failed."""

    check: str
    said: Said
    error: LadingError | None = None


def check_up(run: Run) -> Iterator[Finding]:
    """All checks, in order; those of a store only if the settings name one."""
    checks: list[tuple[str, Callable[[Run], Said]]] = [
        ("program", _program),
        ("cutter", _cutter),
        ("names", _names),
        ("state folder", _state),
    ]
    if run.settings.store is not None:
        checks.append(("store", _store))
    for name, look in checks:
        yield _finding(name, look, run)
    yield from _keys(run)
    yield _finding("clock", _clock, run)


def _finding(name: str, look: Callable[[Run], Said], run: Run) -> Finding:
    try:
        return Finding(name, look(run))
    except LadingError as error:
        return Finding(name, Said(error.message), error)


def _keys(run: Run) -> Iterator[Finding]:
    """A line for each game whose keys lie here, or for each thing about them that should be known."""
    try:
        for looked in look_at_keys(run):
            name = f"keys of {looked.game}"
            for concern in looked.concerns:
                yield Finding(name, Said("", concern.warning, concern.next))
            if not looked.concerns:
                yield Finding(name, Said(looked.detail), looked.error)
    except LadingError as error:
        yield Finding("keys", Said(error.message), error)


def _program(run: Run) -> Said:
    python = platform.python_version()
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return Said(f"lading {__version__}, Python {python} at {sys.executable}, {system}")


def _cutter(run: Run) -> Said:
    Cutter(DEFAULT)
    return Said("compiled")


def _names(run: Run) -> Said:
    """Another distribution with a package of our name would have overwritten ours, or will."""
    owners = packages_distributions()
    foreign = {name: sorted(set(owners.get(name, ())) - {"lading"}) for name in PACKAGES}
    taken = {name: others for name, others in foreign.items() if others}
    if taken:
        said = "; ".join(f"{name} comes from {', '.join(others)} as well" for name, others in taken.items())
        raise NamesTaken(said, data={"names": taken})
    return Said(f"no other distribution owns {', '.join(PACKAGES)}")


def _state(run: Run) -> Said:
    state = run.settings.state_dir.absolute()
    there = _nearest(state)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PathUnusable("the state folder cannot be written", where=str(there))
    if there != state:
        return Said(f"{state}, not made yet")
    if os.name == "posix" and state.stat().st_mode & 0o022:
        return Said(str(state), "other users of this machine can write to it", f"Run `chmod go-w {state}`.")
    return Said(str(state))


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _nearest(folder.parent)
    except OSError as error:
        raise leaf_for(error, folder) from error
    return folder


def _store(run: Run) -> Said:
    with compose.reading(run) as opened:
        if opened.folder is None:
            opened.meter.get_range(STORE, 0, 1)
            return Said(f"{opened.registry.url} answers, ranges too; it can only be read")
        compose.keep_apart(opened.folder, run.settings.state_dir, None)
        if not os.access(opened.folder, os.W_OK):
            return Said(str(opened.folder), "this user cannot write to it")
        return Said(str(opened.folder))


def _clock(run: Run) -> Said:
    now = run.clock.now()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ahead = _ahead_of_witnesses(run, now)
    if abs(ahead) <= CLOCK_TOLERANCE:
        return Said(shown)
    how = f"{duration(ahead)} ahead of the store's" if ahead > 0 else f"at least {duration(-ahead)} behind"
    return Said(shown, how, "Set the clock of this machine: what is signed is believed by dates.")


def _ahead_of_witnesses(run: Run, now: float) -> float:
    """How far this clock is ahead of the store's, or less than 0 behind what was seen; 0 where nothing says so."""
    seen = max((folder.seen().latest for folder in TrustFolder.all(run.settings.state_dir / compose.TRUST)), default=0)
    if run.settings.store is None:
        return min(0.0, now - seen)
    with suppress(LadingError), compose.reading(run) as opened:
        found = opened.meter.stat(STORE)
        return now - found.now if found.now else min(0.0, now - max(found.modified, seen))
    return min(0.0, now - seen)


class NamesTaken(LocalProblem):
    """Another distribution in this environment brings packages of the same names."""

    code = "names-taken"
    default_cause = "Two distributions with one package name overwrite each other's files."
    default_next = "Install lading into an environment of its own."
