"""What a run of the client is given and what it gives back: values only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from client.checking import Controls
from client.resolve import Wish
from manifest.documents import Build
from manifest.events import EventSink
from manifest.registry import RegistryReader


@dataclass(frozen=True, slots=True)
class Usage:
    """What was received so far, in bytes and requests; `download` counts packs and patches, `metadata` all else."""

    download_bytes: int = 0
    metadata_bytes: int = 0
    requests: int = 0
    retried_bytes: int = 0
    retried_requests: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """What the road takes from outside. `usage` tells what the registry's store has received."""

    registry: RegistryReader
    controls: Controls
    sink: EventSink
    usage: Callable[[], Usage]
    random_bytes: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Aim:
    """What the tree is to become. `depots` and `tags` are those of the first install; empty means the fitting ones."""

    folder: Path
    wish: Wish
    game: str = ""
    depots: Sequence[str] = ()
    tags: Sequence[str] = ()
    replace: bool = False
    full: bool = False
    dry_run: bool = False
    present_build: bool = False
    """Stay at the build that is installed, as repair does."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The numbers of a plan, or what they came to; bytes and requests."""

    download_bytes: int
    metadata_bytes: int
    written_bytes: int
    peak_extra_disk_bytes: int
    final_size_bytes: int
    requests: int


@dataclass(frozen=True, slots=True)
class Settled:
    """How it ended. `before` is the build number before, None if nothing was installed; `actual` None in a dry run."""

    game: str
    before: int | None
    build: Build
    changed: bool
    files_changed: int
    reused_bytes: int
    planned: Receipt
    actual: Receipt | None
    retried_bytes: int = 0
    retried_requests: int = 0
