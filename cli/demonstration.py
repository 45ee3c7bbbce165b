"""The play that `lading demo` puts on: its scenes, what each of them cost, and how that is told.

Every scene goes through the same engines as the command that it stands for, with a store and a state folder of its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chunkstore.errors import Corrupt
from chunkstore.oserrors import leaf_for
from cli import compose
from cli.call import Run
from cli.config import Configuration
from cli.output import Outcome
from cli.players import controls_of, engine
from cli.rivals import files_of, fixed_blocks, whole_files
from cli.sizes import human
from cli.toygame import A_TEXT, PROGRAM, WORLD, write_build
from client.engine import Aim, Receipt, Settled
from client.resolve import Wish
from client.road import install, update
from client.verify import Verification, verify
from manifest.events import Phase
from publisher.candidates import Release
from publisher.publish import Published, PublishRequest, publish
from publisher.settings import DepotConfig

GAME = "toy"
_TITLES = {
    "download_bytes": "download",
    "metadata_bytes": "metadata",
    "written_bytes": "written",
    "peak_extra_disk_bytes": "peak extra disk",
    "final_size_bytes": "final size",
    "requests": "requests",
}


@dataclass(frozen=True, slots=True)
class Rivals:
    """What the update would have downloaded in other ways, and did, in bytes."""

    whole_files: int
    fixed_blocks: int
    lading: int


def perform(run: Run, folder: Path, *, kept: bool) -> Outcome:
    """All scenes, in `folder`. Raises `PlayFailed` if a tree is not what it must be at the end of one."""
    began = run.clock.monotonic()
    play = _Play(run, folder)
    published = [play.publish(1)]
    installed = play.install()
    published.append(play.publish(2))
    updated = play.update()
    wounds = play.damage_and_verify()
    repaired = play.repair()
    rivals = play.rivals(updated)
    seconds = run.clock.monotonic() - began
    result = {
        "game": GAME,
        "published": [_published(each) for each in published],
        "install": _receipts(installed),
        "update": _receipts(updated),
        "wounds": [{"path": wound.path, "kind": wound.kind} for wound in wounds.wounds],
        "repair": _receipts(repaired),
        "update_downloads": asdict(rivals),
        "seconds": round(seconds, 3),
        "kept": str(folder) if kept else None,
    }
    first, second = published
    text = [
        _told_publish(first),
        _told("install build #1", installed),
        _told_publish(second),
        _told("update to build #2", updated),
        _told_wounds(wounds),
        _told("repair", repaired),
        _told_rivals(rivals),
        f"All of it took {seconds:.1f} s; {_left(folder) if kept else 'nothing is left of it'}.",
    ]
    return Outcome(result, text="\n\n".join(text))


class _Play:
    """The stage: two source folders, a store, an installed tree."""

    def __init__(self, run: Run, folder: Path) -> None:
        settings = replace(
            run.settings,
            store=str(folder / "store"),
            state_dir=folder / "state",
            trust=None,
            download_limit_rate=None,
        )
        self._run = replace(run, configuration=Configuration(settings, run.configuration.origins))
        self._sources = {build: folder / f"build{build}" for build in (1, 2)}
        self._tree = folder / "installed"

    def publish(self, build: int) -> Published:
        """Makes a build of the toy game and publishes it."""
        run, source = self._run, self._sources[build]
        run.events.emit(Phase(f"make build {build}"))
        write_build(source, build, run.cancel.check)
        request = PublishRequest(
            root=source,
            game=GAME,
            depot=DepotConfig(),
            release=Release(f"{build}.0", "stable"),
            state_folder=run.settings.state_dir,
            workers=run.settings.workers,
        )
        with compose.writing(run, dry_run=False, create=True, source=source) as opened:
            return publish(request, compose.world(run, opened))

    def install(self) -> Settled:
        """Installs the first build."""
        with engine(self._run, self._tree) as over:
            settled = install(Aim(self._tree, Wish("stable"), GAME), over)
        self._expect(1)
        return settled

    def update(self) -> Settled:
        """Updates to the second."""
        with engine(self._run, self._tree) as over:
            settled = update(Aim(self._tree, Wish("")), over)
        self._expect(2)
        return settled

    def damage_and_verify(self) -> Verification:
        """Spoils three files, each in its way, and looks for what is wrong."""
        self._run.events.emit(Phase("damage"))
        pak, program, removed = self._tree / WORLD, self._tree / PROGRAM, self._tree / A_TEXT
        try:
            with pak.open("r+b") as file:
                file.seek(pak.stat().st_size // 2)
                file.write(b"bit rot")
            program.write_bytes(program.read_bytes()[: program.stat().st_size // 2])
            removed.unlink()
        except OSError as error:
            raise leaf_for(error, self._tree) from error
        found = verify(self._tree, controls_of(self._run), self._run.events, full=True)
        if {wound.path for wound in found.wounds} != {WORLD, PROGRAM, A_TEXT}:
            raise PlayFailed("verify did not find the three damaged files", where=str(self._tree))
        return found

    def repair(self) -> Settled:
        """Mends them."""
        aim = Aim(self._tree, Wish(""), full=True, replace=True, present_build=True)
        with engine(self._run, self._tree) as over:
            settled = update(aim, over)
        self._expect(2)
        return settled

    def rivals(self, updated: Settled) -> Rivals:
        """What the update would have cost in simpler ways."""
        self._run.events.emit(Phase("compare"))
        actual = updated.actual
        assert actual is not None
        check = self._run.cancel.check
        return Rivals(
            whole_files=whole_files(self._sources[1], self._sources[2], check),
            fixed_blocks=fixed_blocks(self._sources[1], self._sources[2], check),
            lading=actual.download_bytes + actual.metadata_bytes,
        )

    def _expect(self, build: int) -> None:
        """Compares the installed tree with its source, byte by byte. Raises `PlayFailed`."""
        source = self._sources[build]
        ours = [path for path in files_of(self._tree) if not path.startswith(".lading")]
        same = ours == files_of(source) and all(
            (self._tree / path).read_bytes() == (source / path).read_bytes() for path in ours
        )
        if not same:
            raise PlayFailed(f"the installed tree is not build #{build}", where=str(self._tree))


def _published(published: Published) -> dict[str, Any]:
    tally = published.tally
    return {
        "build": published.number,
        "version": published.version,
        "files": published.files,
        "source_bytes": published.source_bytes,
        "chunks": published.chunks,
        "new_chunks": tally.new_chunks,
        "stored_bytes": tally.stored_bytes,
    }


def _receipts(settled: Settled) -> dict[str, Any]:
    assert settled.actual is not None
    return {"planned": asdict(settled.planned), "actual": asdict(settled.actual)}


def _told_publish(published: Published) -> str:
    tally = published.tally
    return (
        f"publish build #{published.number}: {published.files} files with {human(published.source_bytes)}, "
        f"{tally.new_chunks} of {published.chunks} chunks are new, {human(tally.stored_bytes)} stored"
    )


def _told(title: str, settled: Settled) -> str:
    lines = [f"{title + ':':<24} {'planned':>10} {'actual':>10}"]
    for name, label in _TITLES.items():
        lines.append(f"  {label:<22} {_figure(settled.planned, name):>10} {_figure(settled.actual, name):>10}")
    return "\n".join(lines)


def _figure(receipt: Receipt | None, name: str) -> str:
    value = getattr(receipt, name)
    return str(value) if name == "requests" else human(value)


def _told_wounds(found: Verification) -> str:
    lines = [f"verify after damaging three files: {len(found.wounds)} wounds in {found.files} files"]
    lines += [f"  {wound.kind:<10} {wound.path}" for wound in found.wounds]
    return "\n".join(lines)


def _told_rivals(rivals: Rivals) -> str:
    rows = (("whole files", rivals.whole_files), ("fixed 1 MiB blocks", rivals.fixed_blocks), ("lading", rivals.lading))
    lines = ["the same update, downloaded as"]
    lines += [f"  {label:<22} {human(size):>10}" for label, size in rows]
    return "\n".join(lines)


def _left(folder: Path) -> str:
    return f"the store, both builds and the installed game are in {folder}"


class PlayFailed(Corrupt):
    """The demonstration did not end as it must: a bug, or a machine that changes bytes."""

    code = "demo-failed"
    default_cause = "Either Lading has a bug, or the disk or memory of this machine changes bytes."
    default_next = "Run `lading doctor`; report it if the machine is sound."
