#!/usr/bin/env python3
"""Lading's verification as the client under test of the public TUF conformance suite.

A plain TUF repository in the place of a game's: without bundle, binding, marks and first contact, which the suite knows
nothing of. What is left is what a player's machine believes metadata by: python-tuf's updater with our limits, over our
web store and behind our guard. `docs/conformance.md` says how to run the suite.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from chunkstore.clock import Clock, SystemClock
from chunkstore.durable import replace_file
from chunkstore.errors import LadingError, NotFound
from chunkstore.store import KeyMissing
from chunkstore.stores.http import HttpStore
from manifest.trust.guard import signed_part
from manifest.trust.walk import named_refusals, updater_over

MAX_TARGET = 64 * 1024 * 1024
"""Bytes of the longest target file that is downloaded; the updater compares the length with the signed one."""


class PlainFetcher(FetcherInterface):
    """Metadata below one web address, target files below another."""

    def __init__(self, metadata: str, targets: str, clock: Clock) -> None:
        self._stores = {base: HttpStore(base, clock=clock) for base in (metadata, targets)}

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self._get(url, MAX_TARGET)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """A metadata file, if it is strict JSON."""
        data = self._get(url, max_length)
        signed_part(data, url)
        return data

    def _get(self, url: str, limit: int) -> bytes:
        base = max((base for base in self._stores if url.startswith(base)), key=len)
        try:
            return self._stores[base].get(url.removeprefix(base), limit=limit).data
        except NotFound as error:
            raise DownloadHTTPError(f"{url} is not there", 404) from error
        except ValueError as error:  # no store has such a key: a role of such a name is not to be had
            raise DownloadHTTPError(f"{url} cannot be asked for", 404) from error


def init(metadata: Path, root: Path) -> None:
    """Takes a root file for the trusted one."""
    data = root.read_bytes()
    _pinned(metadata).parent.mkdir(parents=True, exist_ok=True)
    for place in (_pinned(metadata), metadata / "root.json"):
        replace_file(place, data)


def refresh(metadata: Path, url: str, clock: Clock) -> None:
    """Brings the top-level metadata up to date."""
    _updater(metadata, PlainFetcher(url, url, clock), url, clock).refresh()


def download(metadata: Path, url: str, name: str, base: str, folder: Path, clock: Clock) -> None:
    """Brings metadata up to date and a target file into `folder`, unless it is there as it is signed."""
    updater = _updater(metadata, PlainFetcher(url, base, clock), url, clock)
    target = updater.get_targetinfo(name)
    if target is None:
        raise KeyMissing(f"nobody signed a target {name}", where=url)
    place = str(folder / quote(name, ""))
    if updater.find_cached_target(target, place) is None:
        updater.download_target(target, place, base)


def _updater(metadata: Path, fetcher: PlainFetcher, url: str, clock: Clock) -> Updater:
    return updater_over(metadata, url, fetcher, _pinned(metadata).read_bytes(), clock.now())


def _pinned(metadata: Path) -> Path:
    """The root that trust began with; the updater's own file of this name is its newest."""
    return metadata / "pinned" / "root.json"


def main(words: Sequence[str], clock: Clock) -> int:
    """0 if all went well, 1 with a word on standard error if anything was refused."""
    said = _parser().parse_args(words)
    metadata, url = said.metadata_dir, said.metadata_url
    try:
        with named_refusals(url or str(metadata), metadata):
            match said.command:
                case "init":
                    init(metadata, said.trusted_root)
                case "refresh":
                    refresh(metadata, url, clock)
                case _:
                    download(metadata, url, said.target_name, said.target_base_url, said.target_dir, clock)
    except LadingError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url", type=_folder, default="")
    parser.add_argument("--target-name")
    parser.add_argument("--target-base-url", type=_folder, default="")
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    return parser


def _folder(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], SystemClock()))
