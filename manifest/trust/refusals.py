"""What trust refuses, by name, apart from the rooms that refuse it.

Several rooms raise each of these, or somebody has to know it who never imports python-tuf.
"""

from __future__ import annotations

from chunkstore.errors import Corrupt, LocalProblem, Refused


class BadMetadata(Corrupt):
    """Signed metadata breaks its format."""

    code = "bad-metadata"
    default_cause = "The file is damaged, or somebody without the keys wrote it."
    default_next = "Nothing was changed. Try another copy of the store; tell the publisher if it stays."


class MetadataMixed(Corrupt):
    """Metadata files of different states were served together."""

    code = "metadata-mixed"
    default_cause = "A copy of the store is incomplete, or somebody combines old files with new ones."
    default_next = "Nothing was changed. Try again, or another copy of the store."


class MetadataMissing(Corrupt):
    """Metadata that is signed for is not there."""

    code = "metadata-missing"
    default_cause = "The store was copied in part, or a cache in between remembers that the file was absent."
    default_next = "Nothing was changed. Try again in a minute, or another copy of the store."


class MetadataExpired(Corrupt):
    """The newest metadata that is served is past its date."""

    code = "metadata-expired"
    default_cause = "Nobody renewed the signatures in time, or an old copy is served to hold updates back."
    default_next = (
        "Try again later, or install what is there with --accept-stale if you know why it is old. "
        "Its publisher runs `lading store refresh STORE --accept-stale`."
    )


class BadSignature(Corrupt):
    """Metadata is not signed by enough of the keys that may sign it."""

    code = "bad-signature"
    default_cause = "The file is damaged, or somebody without the publisher's keys wrote it."
    default_next = "Nothing was changed. If the publisher lost all keys and made new ones, ask for the new pin."


class OtherRegistry(Refused):
    """The game that is known here is one of another registry."""

    code = "other-registry"
    default_cause = "Build numbers and games of two registries have nothing to do with each other."
    default_next = "Name the store that the game was installed from, or a copy of it."


class OtherGamesMetadata(Corrupt):
    """Metadata of another game was served."""

    code = "other-games-metadata"
    default_cause = "Files of two games or stores were mixed up, or somebody tries to pass one off as the other."
    default_next = "Nothing was changed. Check the address of the store; tell whoever runs it."


class PointerLost(Corrupt):
    """A game has builds, but nothing says any more which of its metadata is the present one."""

    code = "pointer-lost"
    default_cause = "The game's timestamp.json was deleted, or was left out when the store was copied."
    default_next = "Copy tuf/GAME/timestamp.json from another copy of the store; nothing was changed."


class NewerMetadata(LocalProblem):
    """The metadata was written by a newer version."""

    code = "newer-metadata"
    default_cause = "A newer version of Lading signed it."
    default_next = "Install a newer version of Lading; nothing was changed."


class KeysMissing(Refused):
    """The keys that have to sign are not on this machine."""

    code = "keys-missing"
    default_cause = "Keys are kept where they were made; another machine or user has them, or LADING_STATE_DIR differs."
    default_next = (
        "Run it where the keys are, or bring them here with `lading key restore`; "
        "publish --candidate leaves the signature to others."
    )


class SignaturesMissing(Refused):
    """A change is signed, and waits for more signatures."""

    code = "signatures-missing"
    default_cause = "More than one key has to sign builds of this game."
    default_next = "Run the same command on the machine of another key holder."
