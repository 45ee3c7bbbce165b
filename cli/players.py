"""The client engine as the commands of a player use it: a run made into an `Engine`, and what comes back into words."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from chunkstore.scratch import scratch_folder
from cli.allocator import keep_buffers
from cli.call import Run
from cli.compose import Entangled, Opened, playing
from cli.files import read_small
from cli.output import Outcome
from cli.sizes import counted, human
from client.checking import Controls
from client.engine import Engine, Settled, Usage
from client.record import BadRecord, InstallFolder, NotInstalled
from client.work import Brake
from manifest.events import WarningEvent
from manifest.store_document import NotAStore
from manifest.trust.contact import Contact
from manifest.trust.pins import BadPin, FirstUse, Pin, RootFile, RootPin, parse_pin
from manifest.trust.roles import LIMITS, ROOT


def controls_of(run: Run, *, remote: bool = False) -> Controls:
    """How many threads: as many as requests may be in flight for a store that is far away, else one a core."""
    threads = run.settings.download_parallel if remote else run.settings.workers
    return Controls(threads, run.cancel, Brake())


@contextmanager
def engine(run: Run, folder: Path, *, accept_stale: bool = False, dry_run: bool = False) -> Iterator[Engine]:
    """The engine that installs into `folder` from the store that the settings name, believed as they say.

    What comes to be believed in a dry run is forgotten after it.

    Raises `NotAStore`, `TrustNeeded`, `Entangled`.
    """
    pin = _pin_of(run.settings.trust) if run.settings.trust else None
    recorded = root_recorded(folder)
    if isinstance(pin, FirstUse):
        contact = Contact(recorded=recorded, confirm=_telling(run))
    else:
        contact = Contact(pin, recorded, confirm=_asking(run))
    with scratch_folder() as scratch:
        contact = replace(contact, scratch=scratch if dry_run else None)
        with _over(run, folder, None, contact, accept_stale) as over:
            yield over


@contextmanager
def _over(run: Run, folder: Path, location: str | None, contact: Contact, accept_stale: bool) -> Iterator[Engine]:
    keep_buffers()
    with playing(run, location, contact, accept_stale=accept_stale) as opened:
        if opened.folder is not None and folder.resolve().is_relative_to(opened.folder.resolve()):
            raise Entangled(
                "the game would be installed inside the store",
                where=str(folder),
                cause="A store is copied and served as it is: nothing but a publish puts something into it.",
                next="Name a folder outside of the store.",
            )
        yield Engine(
            registry=opened.registry,
            controls=controls_of(run, remote=opened.folder is None),
            sink=run.events,
            usage=lambda: _usage(opened),
            random_bytes=secrets.token_bytes,
        )


@contextmanager
def engine_of_installed(run: Run, folder: Path, *, accept_stale: bool = False) -> Iterator[Engine]:
    """The engine over the store that the flag names, else over the one that the folder remembers.

    The environment has no say: it names store and trust for games to come, and each that is here knows its own.
    """
    named: str | None = run.configuration.flag("store")
    source = InstallFolder(folder).load().source
    try:
        with _over(run, folder, named or source, Contact(recorded=root_recorded(folder)), accept_stale) as over:
            yield over
    except NotAStore as error:
        if named is None:
            error.next = "If the store has moved, name its new place with --store."
        raise


def root_recorded(folder: Path) -> RootPin | None:
    """The root that an installed folder remembers to have trusted first."""
    try:
        pin = parse_pin(InstallFolder(folder).load().root)
    except (NotInstalled, BadRecord, BadPin):
        return None
    return pin if isinstance(pin, RootPin) else None


def _pin_of(text: str) -> Pin:
    """What the user gave to trust: a pin, or the root file that a launcher brought. Raises `BadPin`, `PathUnusable`."""
    try:
        return parse_pin(text)
    except BadPin:
        if not os.path.isfile(text):
            raise
    return RootFile(read_small(Path(text), LIMITS[ROOT]), text)


def _telling(run: Run) -> Callable[[str, RootPin], bool]:
    """Believes what is served first, and says what that was."""

    def tell(game: str, pin: RootPin) -> bool:
        message = f"{game} is trusted from now on as it was served"
        advice = "Compare this pin with the one that its publisher names, if you can."
        run.events.emit(WarningEvent("first-use", message, str(pin), advice))
        return True

    return tell


def _asking(run: Run) -> Callable[[str, RootPin], bool] | None:
    """Asks the person at the terminal, if there is one."""
    agree = run.ask
    if agree is None:
        return None

    def ask(game: str, pin: RootPin) -> bool:
        text = f"{game} is new on this machine. Its publisher is to be known by\n  {pin}\nDo you trust it from now on?"
        return agree(text)

    return ask


def settled_outcome(settled: Settled, seconds: float, *, exit_code: bool) -> Outcome:
    """The outcome of install, update or repair, with its receipt."""
    actual = asdict(settled.actual) if settled.actual else None
    if actual is not None:
        actual |= {"retried_bytes": settled.retried_bytes, "retried_requests": settled.retried_requests}
    return Outcome(
        result={
            "game": settled.game,
            "from": settled.before,
            "to": settled.build.number,
            "build": settled.build.number,
            "version": settled.build.version,
            "files_changed": settled.files_changed,
            "reused_bytes": settled.reused_bytes,
            "seconds": round(seconds, 3),
        },
        text=_told(settled, seconds),
        receipt={"planned": asdict(settled.planned), "actual": actual},
        idle=exit_code and not settled.changed,
    )


def _told(settled: Settled, seconds: float) -> str:
    build = f"{settled.game} {settled.build.version} (build #{settled.build.number})"
    if not settled.changed:
        return f"{build} is installed; there is nothing to do."
    planned, actual = settled.planned, settled.actual
    if actual is None:
        head = f"{build} would change {counted(settled.files_changed, 'file')}."
    else:
        head = f"{build} is installed: {counted(settled.files_changed, 'file')} changed in {seconds:.1f} s."
    rows = [("download", "download_bytes"), ("metadata", "metadata_bytes"), ("written", "written_bytes")]
    rows += [("peak extra disk", "peak_extra_disk_bytes"), ("final size", "final_size_bytes")]
    lines = [head, f"{'':<16} {'planned':>10} {'actual':>10}"]
    for label, name in rows:
        lines.append(_row(label, human(getattr(planned, name)), human(getattr(actual, name)) if actual else "-"))
    lines.append(_row("requests", str(planned.requests), str(actual.requests) if actual else "-"))
    lines.append(f"{'reused here':<16} {human(settled.reused_bytes):>10}")
    return "\n".join(lines)


def _row(label: str, planned: str, actual: str) -> str:
    return f"{label:<16} {planned:>10} {actual:>10}"


def _usage(opened: Opened) -> Usage:
    content, metadata, again = opened.content, opened.metadata, opened.retried
    return Usage(
        download_bytes=content.received_bytes,
        metadata_bytes=metadata.received_bytes,
        requests=content.requests + metadata.requests,
        retried_bytes=again.bytes,
        retried_requests=again.requests,
    )
