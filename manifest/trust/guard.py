"""What metadata must be before python-tuf sees it: strict JSON, of this game, and of the form of its role.

python-tuf takes the last of two equal keys, and numbers that are none; and it knows nothing of games. Nothing here
looks at a signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chunkstore.store import HostMisconfigured
from manifest.documents import BadDocument, natural, parse_json
from manifest.trust.forms import check_form
from manifest.trust.refusals import BadMetadata, MetadataMixed, NewerMetadata, OtherGamesMetadata, OtherRegistry
from manifest.trust.roles import FORMAT, LADING, Binding

_REGISTRY = re.compile(r"[0-9a-f]{64}")


def signed_part(data: bytes, where: str) -> dict[str, Any]:
    """The part of a metadata file that signatures cover, unverified. Raises `BadMetadata`."""
    if data.lstrip()[:1] == b"<":
        raise HostMisconfigured("the host answers with a page where metadata should be", where=where)
    try:
        value = parse_json(data, "metadata", where)
    except BadDocument as error:
        raise BadMetadata(error.message, where=where) from error
    signed = value.get("signed")
    if not isinstance(signed, dict):
        raise BadMetadata("the metadata has no signed part", where=where)
    return signed


def check(role: str, data: bytes, binding: Binding, where: str, version: int | None = None) -> dict[str, Any]:
    """The signed part, if it is one of this role, of the game that `binding` names, and of the version asked for.

    Raises `BadMetadata`, `OtherGamesMetadata`, `OtherRegistry`, `NewerMetadata`, `MetadataMixed`.
    """
    signed = signed_part(data, where)
    words = signed.get(LADING)
    if not isinstance(words, dict):
        raise OtherGamesMetadata("the metadata does not say which game it is of", where=where)
    try:
        found = natural(words, "format")
    except BadDocument as error:
        raise BadMetadata(error.message, where=where) from error
    if found > FORMAT:
        raise NewerMetadata(f"the metadata has format {found}; this version knows up to {FORMAT}", where=where)
    game, registry = words.get("game"), words.get("registry")
    if game != binding.game:
        raise OtherGamesMetadata(f"the metadata is that of another game than {binding.game}", where=where)
    if not isinstance(registry, str) or not _REGISTRY.fullmatch(registry):
        raise BadMetadata("the metadata does not say which registry it is of", where=where)
    if binding.registry not in ("", registry):
        raise OtherRegistry(f"the metadata is of {binding.game} in another registry", where=where)
    try:
        check_form(role, signed, binding.game)
    except BadDocument as error:
        raise BadMetadata(error.message, where=where) from error
    if version not in (None, signed["version"]):
        raise MetadataMixed(f"version {signed['version']} of {role} is served as version {version}", where=where)
    return signed


def expiry_of(signed: Mapping[str, Any]) -> float:
    """When a signed part expires, in seconds since the epoch; 0 if it does not say so properly."""
    try:
        return datetime.strptime(str(signed.get("expires")), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0.0
