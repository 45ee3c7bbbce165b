"""From what a person writes to a store: a folder's path, or a `file:`, `http:` or `https:` address.

The one place outside the command line that makes adapters, and that wraps them as their medium needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock
from chunkstore.errors import Refused
from chunkstore.store import ObjectStore
from chunkstore.stores.folder import FolderStore
from chunkstore.wrappers.limit import LimitedStore, RateLimit
from chunkstore.wrappers.retry import RetryingStore, RetryPolicy

if TYPE_CHECKING:
    from chunkstore.stores.http import HttpSettings, HttpStore

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # one letter is a drive
_DRIVE: Final = re.compile(r"/[A-Za-z]:/")
# Behind a CDN the pointer to a fresh object can be seen before the object.
WEB_RETRIES: Final = RetryPolicy(missing_wait_seconds=0.5)


class UnknownStore(Refused):
    """The location names no kind of store."""

    code = "store-unknown"
    default_cause = "A store is a folder, or an address that starts with file:, http: or https:."
    default_next = "Check the spelling; write a folder whose name holds a colon as ./name."


class S3NotSupported(Refused):
    """Buckets cannot be opened by this build."""

    code = "store-s3-unsupported"
    default_cause = "This build of Lading has no S3 support yet."
    default_next = "Use a folder, or the bucket's public http: or https: address to read from it."


def open_store(
    location: str,
    *,
    clock: Clock,
    jitter: Callable[[], float],
    cancel: Cancel | None = None,
    limit: RateLimit | None = None,
    settings: HttpSettings | None = None,
) -> ObjectStore:
    """The store at `location`; nothing is read or made. Raises `UnknownStore`, `S3NotSupported`.

    `jitter` draws uniformly from [0, 1), `limit` bounds the bytes a second that are read, `settings` are for web hosts.
    """
    match _scheme(location):
        case "" if location:
            return _limited(FolderStore(Path(location)), limit)
        case "file":
            return _limited(FolderStore(_path_of(location)), limit)
        case "http" | "https":
            web = _limited(_web(location, clock, cancel, settings), limit)
            return RetryingStore(web, clock=clock, jitter=jitter, policy=WEB_RETRIES, cancel=cancel)
        case "s3":
            raise S3NotSupported("an s3: address cannot be opened", where=location)
        case scheme:
            raise UnknownStore(f"there are no {scheme}: stores" if scheme else "no store is named", where=location)


def _scheme(location: str) -> str:
    found = _SCHEME.match(location)
    return found[1].lower() if found else ""


def _limited(store: ObjectStore, limit: RateLimit | None) -> ObjectStore:
    return LimitedStore(store, limit) if limit else store


def _path_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not parts.path:
        raise UnknownStore("the address names no folder of this machine", where=url)
    path = unquote(parts.path)
    return Path(path[1:] if _DRIVE.match(path) else path)


def _web(url: str, clock: Clock, cancel: Cancel | None, settings: HttpSettings | None) -> HttpStore:
    from chunkstore.stores.http import HttpStore  # noqa: PLC0415 - 20 ms that a folder store does not pay

    if "?" in url or "#" in url:
        raise UnknownStore("a store's address has no ? and no #", where=url)
    try:
        return HttpStore(url, clock=clock, cancel=cancel, settings=settings)
    except ValueError as error:
        raise UnknownStore("the web address is not valid", where=url) from error
