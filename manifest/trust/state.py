"""From verified metadata to the builds and channels of a game. Verifies nothing itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from chunkstore.errors import Refused
from manifest.documents import (
    BadDocument,
    Build,
    Channel,
    GameState,
    build_from_json,
    channel_from_json,
    found_at,
    natural,
    parse_json,
)
from manifest.names import check_name
from manifest.trust.refusals import BadMetadata
from manifest.trust.roles import (
    BIN_BITS,
    BINS,
    BUILDS,
    CHANNELS,
    LADING,
    TARGETS,
    TIMESTAMP,
    build_path,
    channel_path,
    newest_path,
)


def read_state(game: str, files: Mapping[str, bytes]) -> GameState:
    """What the metadata `files`, by role, says of a game. Raises `BadDocument`, `BadMetadata`."""
    signed = {role: parse_json(data, "metadata")["signed"] for role, data in files.items()}
    builds: dict[int, Build] = {}
    for role in (*BINS, BUILDS):
        if role in signed:
            with found_at(f"tuf/{game}/{role}"):
                builds.update((build.number, build) for build in _builds(game, role, signed[role]))
    with found_at(f"tuf/{game}/{CHANNELS}"):
        channels = {channel.name: channel for channel in _channels(game, signed[CHANNELS])}
    return GameState(
        game=game,
        scope=_scope(signed[TARGETS], game),
        registry=str(signed[TARGETS][LADING]["registry"]),
        version=natural(signed[TIMESTAMP], "version"),
        builds=builds,
        channels=channels,
        metadata=files,
    )


def bin_of(path: str) -> str:
    """The hash bin of a target path, as TAP 15 has it: by the first bits of the path's SHA-256."""
    first = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big")
    return BINS[first >> (32 - BIN_BITS)]


def _builds(game: str, role: str, signed: Mapping[str, Any]) -> Iterator[Build]:
    """The builds of a role. What lies where the updater would not look for it is none."""
    for path, document in _documents(signed, build_path(game, 0)[:-1]):
        if path != newest_path(game) and (role == BUILDS or bin_of(path) == role):
            build = build_from_json(document)
            if path != build_path(game, build.number):
                raise BadDocument(f"the document at {path:.120} is that of build #{build.number}")
            yield build


def _channels(game: str, signed: Mapping[str, Any]) -> Iterator[Channel]:
    prefix = channel_path(game, "")
    for path, document in _documents(signed, prefix):
        yield channel_from_json(path.removeprefix(prefix), document)


def _documents(signed: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The documents under a prefix with their target paths."""
    targets = signed.get("targets")
    for path, target in targets.items() if isinstance(targets, dict) else ():
        if path.startswith(prefix):
            document = target.get("custom") if isinstance(target, dict) else None
            if not isinstance(document, dict):
                raise BadDocument(f"there is no document at {path:.120}")
            yield path, document


def _scope(targets: Mapping[str, Any], game: str) -> str:
    words = targets.get(LADING)
    scope = words.get("scope") if isinstance(words, dict) else None
    try:
        return check_name(scope if isinstance(scope, str) else "", "scope")
    except Refused as error:
        raise BadMetadata("the publisher's metadata names no scope", where=f"tuf/{game}/{TARGETS}") from error
