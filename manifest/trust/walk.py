"""The verified walk: python-tuf's updater over a folder of this machine, and which refusal each of its errors is.

Everything that decides whether metadata is believed happens in the updater; here are its clock and its limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from chunkstore.oserrors import leaf_for
from manifest.keys import game_prefix
from manifest.trust.fetcher import MetadataFetcher
from manifest.trust.refusals import BadMetadata, BadSignature, MetadataExpired, MetadataMissing, MetadataMixed
from manifest.trust.roles import (
    BUILDS,
    CHANNELS,
    LIMITS,
    MAX_ROOTS,
    NO_CHANNEL,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    build_path,
    channel_path,
    newest_path,
)
from manifest.trust.seen import MetadataRollback
from manifest.trust.state import bin_of

CORE = (ROOT, TIMESTAMP, SNAPSHOT, TARGETS, BUILDS, CHANNELS)
"""The roles that every walk verifies."""


class Walk:
    """One refresh of one game's metadata, kept in `folder`, starting from the trusted root file `root`.

    `moment` is the time that all expiry is measured by, however long the walk takes (TUF 5.1).
    """

    def __init__(self, game: str, fetcher: MetadataFetcher, folder: Path, root: bytes, moment: float) -> None:
        self._game = game
        self._folder = folder
        self._roles: list[str] = list(CORE)
        prefix = game_prefix(game)
        with named_refusals(prefix, folder):
            self._updater = updater_over(folder, prefix, fetcher, root, moment)

    def refresh(self) -> None:
        """Verifies the newest metadata of all roles but the bins."""
        with named_refusals(game_prefix(self._game), self._folder):
            self._updater.refresh()
            self._updater.get_targetinfo(newest_path(self._game))
            self._updater.get_targetinfo(channel_path(self._game, NO_CHANNEL))

    def open_bin(self, name: str) -> None:
        """Verifies a bin, too, if there is one: it exists from the first build on that was moved there."""
        if f"{name}.json" not in json.loads(self._read(SNAPSHOT))["signed"]["meta"] or name in self._roles:
            return
        paths = (build_path(self._game, number) + "." for number in count())
        with named_refusals(game_prefix(self._game), self._folder):
            # The updater looks for it there, and finds no such build.
            self._updater.get_targetinfo(next(path for path in paths if bin_of(path) == name))
        self._roles.append(name)

    def files(self) -> dict[str, bytes]:
        """What was verified, by role."""
        return {role: self._read(role) for role in self._roles}

    def _read(self, role: str) -> bytes:
        return (self._folder / f"{role}.json").read_bytes()


def updater_over(folder: Path, prefix: str, fetcher: FetcherInterface, root: bytes, moment: float) -> Updater:
    """An updater that keeps metadata in `folder`, begins with the trusted root file `root` and takes no more than ours.

    It measures expiry by `moment`, for which it has no option: otherwise it asks the system's clock.
    """
    updater = Updater(
        str(folder),
        prefix,
        fetcher=fetcher,
        config=UpdaterConfig(
            max_root_rotations=MAX_ROOTS + 1,  # so that one too many is asked for, and refused
            root_max_length=LIMITS[ROOT],
            timestamp_max_length=LIMITS[TIMESTAMP],
            snapshot_max_length=LIMITS[SNAPSHOT],
            targets_max_length=LIMITS[BUILDS],
        ),
        bootstrap=root,
    )
    updater._trusted_set.reference_time = datetime.fromtimestamp(moment, UTC)
    return updater


@contextmanager
def named_refusals(where: str, folder: Path) -> Iterator[None]:
    """What python-tuf refuses leaves with a name of ours, and so does what the file system refuses it in `folder`."""
    try:
        yield
    except ExpiredMetadataError as error:
        raise MetadataExpired(_words(error), where=where) from error
    except UnsignedMetadataError as error:
        raise BadSignature(_words(error), where=where) from error
    except BadVersionNumberError as error:
        raise MetadataRollback(_words(error), where=where) from error
    except LengthOrHashMismatchError as error:
        raise MetadataMixed(_words(error), where=where) from error
    except DownloadHTTPError as error:
        raise MetadataMissing(_words(error), where=where) from error
    except (RepositoryError, DownloadError) as error:
        raise BadMetadata(_words(error), where=where) from error
    except OSError as error:
        raise leaf_for(error, error.filename or folder) from error


def _words(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:1].lower() + text[1:300]
