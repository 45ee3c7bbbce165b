"""What verified metadata says of its own keys and dates, for people to look at. Decides and verifies nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manifest.documents import parse_json
from manifest.trust.guard import expiry_of
from manifest.trust.pins import RootPin
from manifest.trust.roles import BUILDS, LADING, ROOT, TARGETS, TIMESTAMP


@dataclass(frozen=True, slots=True)
class KeysNamed:
    """The ids of the keys of one kind, sorted, and how many of them have to sign."""

    ids: tuple[str, ...]
    threshold: int


def keys_named(metadata: Mapping[str, bytes]) -> dict[str, KeysNamed]:
    """The keys of each kind; `metadata` are verified files by role."""
    roles = _signed(metadata, ROOT)["roles"]
    delegated = {row["name"]: row for row in _signed(metadata, TARGETS)["delegations"]["roles"]}
    rows = {"root": roles[ROOT], "builds": delegated[BUILDS], "online": roles[TIMESTAMP]}
    return {kind: KeysNamed(tuple(sorted(row["keyids"])), row["threshold"]) for kind, row in rows.items()}


def expiries(metadata: Mapping[str, bytes]) -> dict[str, int]:
    """When each role expires, in seconds since the epoch."""
    return {role: int(expiry_of(_signed(metadata, role))) for role in metadata}


def versions(metadata: Mapping[str, bytes]) -> dict[str, int]:
    """The version of each role."""
    return {role: _signed(metadata, role)["version"] for role in metadata}


def signed_at(metadata: Mapping[str, bytes]) -> int:
    """When the timestamp was signed by its own word, in seconds since the epoch."""
    at: int = _signed(metadata, TIMESTAMP)[LADING]["at"]
    return at


def newest_root(metadata: Mapping[str, bytes]) -> RootPin:
    """The pin of the root by which all the rest was verified."""
    return RootPin.of(metadata[ROOT], _signed(metadata, ROOT)["version"])


def _signed(metadata: Mapping[str, bytes], role: str) -> dict[str, Any]:
    signed: dict[str, Any] = parse_json(metadata[role], "metadata")["signed"]
    return signed
