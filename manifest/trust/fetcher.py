"""How python-tuf's updater gets its files here: from an object store, each read bounded, checked before it is believed.

The updater asks for one file after the other; where a bundle lies, one request answers for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from chunkstore.errors import Corrupt, NotFound, Refused
from manifest.keys import bundle_key, game_prefix, timestamp_key
from manifest.trust.bundle import MAX_CONTAINER, decode_bundle
from manifest.trust.folder import About
from manifest.trust.guard import check, expiry_of
from manifest.trust.refusals import BadMetadata
from manifest.trust.roles import LADING, LIMITS, MAX_ROOTS, ROOT, SNAPSHOT, TIMESTAMP, kind_of

Get = Callable[[str, int], bytes]
"""The object under a key, of at most so many bytes. Raises `KeyMissing` where there is none."""


class MetadataFetcher(FetcherInterface):
    """The metadata of one game: when each file that was asked for expires, and when the timestamp was signed."""

    def __init__(self, get: Get, about: About, timestamp: bytes) -> None:
        self._get = get
        self._binding = binding = about.binding
        self._last_root = about.pin.version + MAX_ROOTS
        self._held = {timestamp_key(binding.game): timestamp}
        self._absent: dict[str, int] = {}
        self.expiries: dict[str, float] = {}
        self.signed_at = 0

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, max(LIMITS.values()))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """The metadata file `url`, which is a key of the store. Raises `DownloadHTTPError`, and what `check` raises."""
        *number, role, _ = url.rpartition("/")[2].split(".")
        version = int(number[0]) if number else None
        if role == SNAPSHOT and version and url not in self._held:
            self._open_bundle(version)
        if url in self._absent:
            raise self._absence(url, self._absent[url])
        limit = min(max_length, LIMITS[kind_of(role)])
        if len(self._held.get(url, b"")) > limit:  # a bundle may hold more than a role is allowed
            del self._held[url]
        if url not in self._held:
            self._held[url] = self._ask(url, role, limit)
        data = self._held[url]
        signed = check(role, data, self._binding, url, version)
        if role == ROOT and signed["version"] > self._last_root:
            raise BadMetadata(
                f"the root was changed more than {MAX_ROOTS} times since the one that is trusted",
                where=url,
                next="Ask the publisher for the pin of a later root and give it with --trust.",
            )
        self.expiries[role] = expiry_of(signed)
        if role == TIMESTAMP:
            self.signed_at = signed[LADING]["at"]
        return data

    def _ask(self, url: str, role: str, limit: int) -> bytes:
        try:
            return self._get(url, limit)
        except NotFound as error:
            raise self._absence(url, 404) from error
        except Refused as error:
            # Many hosts answer 403 for what is not there; the timestamp was readable with the same credentials.
            if role != ROOT or error.code != "access-denied":
                raise
            raise self._absence(url, 403) from error

    def _absence(self, url: str, status: int) -> DownloadHTTPError:
        self._absent[url] = status
        return DownloadHTTPError(f"{url} is not there", status)

    def _open_bundle(self, snapshot: int) -> None:
        """Takes what the bundle holds; a bundle that is missing or damaged costs only the requests it would save."""
        prefix = game_prefix(self._binding.game)
        try:
            files = decode_bundle(self._get(bundle_key(self._binding.game, snapshot), MAX_CONTAINER))
        except (NotFound, Corrupt):
            return
        for name, data in files.items():
            self._held.setdefault(prefix + name, data)
