"""The form that the signed part of each role has here: one of the many that TUF allows, and no other.

Keys are Ed25519 and stand under their own id, files are named by SHA-256, and roles are delegated as in
`manifest.trust.roles` and in no other way. So who may sign one role cannot put another in its place, no key counts
twice, and none signs for everybody. Signatures are not looked at here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from manifest.documents import BadDocument, canonical_json, natural
from manifest.trust.roles import (
    BIN_BITS,
    BIN_PREFIX,
    BINS,
    BUILDS,
    CHANNELS,
    LADING,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    kind_of,
    newest_path,
)

Signed = Mapping[str, Any]

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LISTED = (TARGETS, BUILDS, CHANNELS)
_BUILD = "newest|[0-9]+"
_CHANNEL = ".+"

_PRIME = 2**255 - 19
_ORDER_EIGHT = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_WEAK = {0, 1, _PRIME - 1, _ORDER_EIGHT, _PRIME - _ORDER_EIGHT}
"""The y of all points of small order: whoever likes can make signatures that such a key accepts."""


def check_form(role: str, signed: Signed, game: str) -> None:
    """Raises `BadDocument` if the signed part of a role does not have the form of one of this game."""
    kind = TARGETS if kind_of(role) in (BUILDS, CHANNELS) else role
    if signed.get("_type") != kind:
        raise BadDocument(f"what is served as {role} is something else")
    _positive(signed, "version")
    if not isinstance(signed.get("expires"), str) or not _MOMENT.fullmatch(signed["expires"]):
        raise BadDocument(f"{role} does not say when it expires")
    _FORMS.get(role, _check_bin)(signed, game)


def _check_root(signed: Signed, game: str) -> None:
    if signed.get("consistent_snapshot") is not True:
        raise BadDocument("the root does not say that files keep their names")
    keys = _check_keys(signed)
    roles = _object(signed, "roles")
    for role in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP):
        _check_quorum(_object(roles, role), keys)


def _check_targets(signed: Signed, game: str) -> None:
    delegations = _object(signed, "delegations")
    keys = _check_keys(delegations)
    roles = delegations.get("roles")
    said = [_check_quorum(row, keys) for row in roles] if isinstance(roles, list) else []
    wanted = [{"name": role, "terminating": True, "paths": [f"{game}/{role}/*"]} for role in (BUILDS, CHANNELS)]
    if len(said) != len(wanted) or any(each not in said for each in wanted) or signed.get("targets") != {}:
        raise BadDocument("the publisher's metadata does not delegate builds and channels, and nothing else")


def _check_builds(signed: Signed, game: str) -> None:
    delegations = _object(signed, "delegations")
    keys = _check_keys(delegations)
    said = _check_quorum(_object(delegations, "succinct_roles"), keys)
    if said != {"bit_length": BIN_BITS, "name_prefix": BIN_PREFIX} or len(delegations) != 2:
        raise BadDocument("the builds are not delegated to their bins, and to nothing else")
    if newest_path(game) not in _check_paths(signed, f"{game}/{BUILDS}/", _BUILD):
        raise BadDocument("the builds do not say which is the newest")


def _check_bin(signed: Signed, game: str) -> None:
    _check_no_delegation(signed)
    _check_paths(signed, f"{game}/{BUILDS}/", _BUILD)


def _check_channels(signed: Signed, game: str) -> None:
    _check_no_delegation(signed)
    _check_paths(signed, f"{game}/{CHANNELS}/", _CHANNEL)


def _check_snapshot(signed: Signed, game: str) -> None:
    meta = _object(signed, "meta")
    if not {f"{role}.json" for role in _LISTED} <= meta.keys() <= {f"{role}.json" for role in (*_LISTED, *BINS)}:
        raise BadDocument("the snapshot does not list the roles of a game")
    for name in meta:
        _check_file(_object(meta, name))


def _check_timestamp(signed: Signed, game: str) -> None:
    meta = _object(signed, "meta")
    if [*meta] != [f"{SNAPSHOT}.json"]:
        raise BadDocument("the timestamp does not name a snapshot, and nothing else")
    _check_file(_object(meta, f"{SNAPSHOT}.json"))
    natural(_object(signed, LADING), "at")


_FORMS: Mapping[str, Callable[[Signed, str], None]] = {
    ROOT: _check_root,
    TARGETS: _check_targets,
    BUILDS: _check_builds,
    CHANNELS: _check_channels,
    SNAPSHOT: _check_snapshot,
    TIMESTAMP: _check_timestamp,
}


def _check_keys(holder: Signed) -> Signed:
    keys = _object(holder, "keys")
    for keyid in keys:
        _check_key(keyid, _object(keys, keyid))
    return keys


def _check_key(keyid: str, key: Signed) -> None:
    public = _object(key, "keyval").get("public")
    plain = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}
    if not isinstance(public, str) or not _DIGEST.fullmatch(public) or key != plain:
        raise BadDocument("a key is not an Ed25519 key")
    if hashlib.sha256(canonical_json(plain)).hexdigest() != keyid:
        raise BadDocument("a key is listed under an id that is not its own")
    if is_weak(bytes.fromhex(public)):
        raise BadDocument("a key is a point of small order, for which anybody can sign")


def is_weak(public: bytes) -> bool:
    """Whether anybody can sign for an Ed25519 key, or it is none."""
    y = int.from_bytes(public, "little") % 2**255
    return y >= _PRIME or y in _WEAK


def _check_quorum(row: Any, keys: Signed) -> dict[str, Any]:
    """What a delegation says besides who signs and how many of them."""
    if not isinstance(row, dict):
        raise BadDocument("a delegation is not an object")
    keyids = row.get("keyids")
    if not isinstance(keyids, list) or not all(isinstance(keyid, str) and keyid in keys for keyid in keyids):
        raise BadDocument("a delegation does not list the ids of keys that are there")
    if not _positive(row, "threshold") <= len(set(keyids)) == len(keyids):
        raise BadDocument("a delegation asks for more signatures than it has keys, or lists one twice")
    return {name: value for name, value in row.items() if name not in ("keyids", "threshold")}


def _check_file(listed: Signed) -> None:
    _positive(listed, "version")
    natural(listed, "length")
    hashes = _object(listed, "hashes")
    if [*hashes] != ["sha256"] or not isinstance(hashes["sha256"], str) or not _DIGEST.fullmatch(hashes["sha256"]):
        raise BadDocument("a file of metadata is not named by its SHA-256")


def _check_no_delegation(signed: Signed) -> None:
    if "delegations" in signed:
        raise BadDocument("a role delegates that may not")


def _check_paths(signed: Signed, prefix: str, name: str) -> Signed:
    targets = _object(signed, "targets")
    form = re.compile(f"{re.escape(prefix)}(?:{name})")
    if not all(form.fullmatch(path) for path in targets):
        raise BadDocument(f"a document lies at a path that is none of {prefix}")
    return targets


def _object(value: Signed, key: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise BadDocument(f"the field {key!r:.80} is missing or not an object")
    return found


def _positive(value: Signed, key: str) -> int:
    number = natural(value, key)
    if number < 1:
        raise BadDocument(f"the field {key!r} is not above zero")
    return number
