"""Pins: what a person or a launcher knows of a game before its first metadata is read.

`sha256:HEX[@VERSION]` is the digest of the bytes of one root file, `registry:sha256:HEX` that of the key that a
registry vouches with, `first-use` the decision to believe what is served the first time. A launcher may bring the root
file itself instead of its digest.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from chunkstore.errors import Refused

FIRST_USE = "first-use"

_ROOT = re.compile(r"sha256:([0-9a-f]{64})(?:@([1-9][0-9]{0,8}))?")
_REGISTRY = re.compile(r"registry:sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class RootPin:
    """The digest of a root file, and the version of that root."""

    digest: str
    version: int = 1

    def __str__(self) -> str:
        return f"sha256:{self.digest}@{self.version}"

    @staticmethod
    def of(root: bytes, version: int) -> RootPin:
        """The pin of a root file."""
        return RootPin(hashlib.sha256(root).hexdigest(), version)


@dataclass(frozen=True, slots=True)
class RegistryPin:
    """The SHA-256 of the public key, as 32 bytes, that the vouchers of a registry are signed with."""

    digest: str

    def __str__(self) -> str:
        return f"registry:sha256:{self.digest}"


@dataclass(frozen=True, slots=True)
class FirstUse:
    """What is served the first time is believed."""

    def __str__(self) -> str:
        return FIRST_USE


@dataclass(frozen=True, slots=True)
class RootFile:
    """A root file that came with a launcher, and where it lies."""

    data: bytes = field(repr=False)
    where: str


Pin = RootPin | RegistryPin | FirstUse | RootFile


def parse_pin(text: str) -> Pin:
    """The pin that a person wrote. Raises `BadPin`."""
    if text == FIRST_USE:
        return FirstUse()
    if found := _ROOT.fullmatch(text):
        return RootPin(found[1], int(found[2] or 1))
    if found := _REGISTRY.fullmatch(text):
        return RegistryPin(found[1])
    raise BadPin(f"{text!r:.100} is no pin")


class BadPin(Refused):
    """What was given to trust does not have the form of a pin."""

    code = "bad-pin"
    default_cause = "A pin is sha256:HEX[@VERSION], registry:sha256:HEX, first-use, or a root file that is here."
    default_next = "Ask the publisher for the pin: `lading key pin GAME` prints it."
