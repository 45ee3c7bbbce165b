"""The one road of install, update and repair. What differs is only where it starts: from nothing, from an older build,
from a damaged one."""

from __future__ import annotations

from dataclasses import replace

from chunkstore.errors import Refused
from client.apply import BadJournal, finish_pending, pending_swap
from client.engine import Aim, Engine, Settled
from client.journey import Journey
from client.record import BadRecord, InstallFolder, NotInstalled, Record


def install(aim: Aim, engine: Engine) -> Settled:
    """Installs a game into a folder, or brings what is there to the wanted build. Raises `OtherGame`."""
    folder = InstallFolder(aim.folder)
    with folder.locked(create=not aim.dry_run):
        _finish_or_refuse(folder, aim)
        try:
            before = folder.load()
        except (NotInstalled, BadRecord):
            before = _new_record(aim, engine)
        if before.game != aim.game:
            raise OtherGame(f"{before.game} is installed here, not {aim.game}", where=str(aim.folder))
        depots, tags = tuple(aim.depots) or before.depots, tuple(aim.tags) or before.tags
        wish = replace(before, depots=depots, tags=tags, channel=aim.wish.channel)
        return Journey(folder, before, wish, aim, engine).go()


def update(aim: Aim, engine: Engine) -> Settled:
    """Brings an installed folder to the wanted build, or mends it with `present_build`. Raises `NotInstalled`."""
    folder = InstallFolder(aim.folder)
    folder.load()
    with folder.locked():
        _finish_or_refuse(folder, aim)
        before = folder.load()
        wish = replace(before, channel=aim.wish.channel or before.channel)
        return Journey(folder, before, wish, aim, engine).go()


def _finish_or_refuse(folder: InstallFolder, aim: Aim) -> None:
    """Ends an interrupted swap. If its journal is lost, whoever lets foreign files go lets go of what it left, too."""
    try:
        if not aim.dry_run:
            finish_pending(folder)
        elif pending_swap(folder) is not None:
            raise SwapPending("an interrupted run is not finished yet", where=str(folder.root))
    except BadJournal:
        if not aim.replace:
            raise
        if not aim.dry_run:
            folder.journal.unlink()


def _new_record(aim: Aim, engine: Engine) -> Record:
    return Record(
        source=engine.registry.url,
        registry="",
        game=aim.game,
        scope="",
        channel=aim.wish.channel,
        install_id=engine.random_bytes(16).hex(),
    )


class OtherGame(Refused):
    """The folder belongs to another game."""

    code = "other-game"
    default_cause = "Each folder holds one game."
    default_next = "Choose another --into folder, or uninstall the game that is there."


class SwapPending(Refused):
    """An interrupted run must be finished before anything can be planned."""

    code = "swap-pending"
    default_cause = "A run was stopped while it put files in place."
    default_next = "Run the command without --dry-run: it finishes that first."
