"""The one table from error to exit code (`docs/cli.md` lists it for people).

Keyed by the error's `code`, so that knowing how to fail does not import what may fail. A test walks every error of the
seven packages and fails if one is missing here; an unknown code is a bug and leaves as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from chunkstore.errors import LadingError


class Exit(IntEnum):
    """What a script can tell apart. A number that it does not know is a failure."""

    DONE = 0
    BUG = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    DENIED = 4
    NOT_FOUND = 5
    INTEGRITY = 6
    LOCAL = 7
    UNAVAILABLE = 8
    GATE = 9
    CONFLICT = 10
    WOUNDS = 11
    INTERRUPTED = 130


EXITS: Mapping[str, Exit] = MappingProxyType(
    {
        "access-denied": Exit.DENIED,
        "bad-backup": Exit.INTEGRITY,
        "bad-bundle": Exit.INTEGRITY,
        "bad-channel-change": Exit.USAGE,
        "bad-chunk": Exit.INTEGRITY,
        "bad-compression": Exit.INTEGRITY,
        "bad-config": Exit.USAGE,
        "bad-cut-parameters": Exit.USAGE,
        "bad-diff": Exit.INTEGRITY,
        "bad-document": Exit.INTEGRITY,
        "bad-frame": Exit.INTEGRITY,
        "bad-head": Exit.INTEGRITY,
        "bad-id": Exit.USAGE,
        "bad-journal": Exit.LOCAL,
        "bad-key-change": Exit.USAGE,
        "bad-key-file": Exit.LOCAL,
        "bad-key-plan": Exit.USAGE,
        "bad-manifest": Exit.INTEGRITY,
        "bad-metadata": Exit.INTEGRITY,
        "bad-name": Exit.USAGE,
        "bad-notes": Exit.USAGE,
        "bad-pack": Exit.INTEGRITY,
        "bad-path": Exit.LOCAL,
        "bad-pattern": Exit.USAGE,
        "bad-payload": Exit.INTEGRITY,
        "bad-pin": Exit.USAGE,
        "bad-record": Exit.LOCAL,
        "bad-setting": Exit.USAGE,
        "bad-signature": Exit.INTEGRITY,
        "bad-voucher": Exit.INTEGRITY,
        "build-missing": Exit.NOT_FOUND,
        "build-withdrawn": Exit.CONFLICT,
        "candidate-unusable": Exit.INTEGRITY,
        "channel-missing": Exit.NOT_FOUND,
        "clock-wrong": Exit.LOCAL,
        "config-unreadable": Exit.LOCAL,
        "conflict": Exit.CONFLICT,
        "cutter-fixed": Exit.CONFLICT,
        "cutter-not-compiled": Exit.LOCAL,
        "demo-failed": Exit.INTEGRITY,
        "depot-missing": Exit.NOT_FOUND,
        "depot-needed": Exit.USAGE,
        "disk-full": Exit.LOCAL,
        "file-ambiguous": Exit.USAGE,
        "file-busy": Exit.LOCAL,
        "file-exists": Exit.CONFLICT,
        "file-missing": Exit.NOT_FOUND,
        "folder-elsewhere": Exit.LOCAL,
        "folder-in-use": Exit.CONFLICT,
        "folders-entangled": Exit.USAGE,
        "foreign-files": Exit.CONFLICT,
        "game-missing": Exit.NOT_FOUND,
        "game-taken": Exit.CONFLICT,
        "host-misconfigured": Exit.INTEGRITY,
        "installation-unfinished": Exit.INTEGRITY,
        "interrupted": Exit.INTERRUPTED,
        "key-exists": Exit.CONFLICT,
        "key-exposed": Exit.LOCAL,
        "keys-fixed": Exit.CONFLICT,
        "keys-missing": Exit.DENIED,
        "locale-not-utf8": Exit.LOCAL,
        "manifest-lost": Exit.INTEGRITY,
        "metadata-expired": Exit.INTEGRITY,
        "metadata-missing": Exit.INTEGRITY,
        "metadata-mixed": Exit.INTEGRITY,
        "metadata-rollback": Exit.INTEGRITY,
        "names-taken": Exit.LOCAL,
        "newer-format": Exit.LOCAL,
        "newer-metadata": Exit.LOCAL,
        "newer-pack": Exit.LOCAL,
        "newer-record": Exit.LOCAL,
        "newer-store": Exit.LOCAL,
        "not-a-store": Exit.CONFLICT,
        "not-installed": Exit.NOT_FOUND,
        "not-trusted": Exit.NOT_FOUND,
        "nothing-to-back-up": Exit.NOT_FOUND,
        "nothing-to-fall-back-to": Exit.CONFLICT,
        "object-missing": Exit.NOT_FOUND,
        "object-too-large": Exit.INTEGRITY,
        "object-truncated": Exit.INTEGRITY,
        "other-game": Exit.CONFLICT,
        "other-games-metadata": Exit.INTEGRITY,
        "other-registry": Exit.CONFLICT,
        "output-lost": Exit.LOCAL,
        "passphrase-wrong": Exit.DENIED,
        "path-collision": Exit.LOCAL,
        "path-unusable": Exit.LOCAL,
        "paths-unordered": Exit.INTEGRITY,
        "platform-fixed": Exit.CONFLICT,
        "pointer-lost": Exit.INTEGRITY,
        "rollback-refused": Exit.INTEGRITY,
        "root-mismatch": Exit.INTEGRITY,
        "scope-fixed": Exit.CONFLICT,
        "signatures-missing": Exit.GATE,
        "signing-command-failed": Exit.LOCAL,
        "source-changed": Exit.CONFLICT,
        "source-missing": Exit.NOT_FOUND,
        "source-unsuitable": Exit.LOCAL,
        "store-damaged": Exit.INTEGRITY,
        "store-not-listable": Exit.USAGE,
        "store-occupied": Exit.CONFLICT,
        "store-read-only": Exit.USAGE,
        "store-s3-unsupported": Exit.USAGE,
        "store-unavailable": Exit.UNAVAILABLE,
        "store-unknown": Exit.USAGE,
        "swap-pending": Exit.CONFLICT,
        "tree-busy": Exit.CONFLICT,
        "trust-damaged": Exit.LOCAL,
        "trust-needed": Exit.INTEGRITY,
        "unexpected": Exit.BUG,
        "unknown-feature": Exit.LOCAL,
        "unreadable-state": Exit.LOCAL,
        "usage": Exit.USAGE,
        "version-taken": Exit.CONFLICT,
        "wounds-found": Exit.WOUNDS,
        "wrong-payload": Exit.INTEGRITY,
    }
)


def exit_of(error: LadingError) -> Exit:
    """The exit code that `error` ends the command with."""
    return EXITS.get(error.code, Exit.BUG)
