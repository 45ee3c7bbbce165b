"""The root of every error that Lading reports on purpose, and the five families that doors translate.

Families live here, leaves beside their concept. Every leaf has a `code` (a stable short string that programs may
match), and says what happened, where, why and what to do next. Doors (exit codes, HTTP, gRPC) hold one table each.
Misuse by a programmer is `ValueError` or `RuntimeError`, never this tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class LadingError(Exception):
    """Something went wrong in a way that was foreseen.

    `message` says what happened, `where` names the path, key or URL, `cause` the likely reason, `next` the next step
    for the person who reads it, `data` machine-readable detail. `cause` and `next` have defaults per class.
    """

    code: ClassVar[str] = "error"
    default_cause: ClassVar[str] = ""
    default_next: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        cause: str = "",
        next: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.cause = cause or self.default_cause
        self.next = next or self.default_next
        self.data: dict[str, Any] = dict(data or {})

    def __str__(self) -> str:
        return f"{self.message} ({self.where})" if self.where else self.message


class NotFound(LadingError):
    """What was asked for does not exist."""

    code = "not-found"


class Corrupt(LadingError):
    """Bytes are not what a hash, a format or a signature says they must be. Never retried as they are."""

    code = "corrupt"


class Refused(LadingError):
    """A right, a gate or a conflict stands in the way; asking again changes nothing."""

    code = "refused"


class Unavailable(LadingError):
    """The other side did not answer properly. The only family that is retried."""

    code = "unavailable"
    default_next = "Try again; what was transferred so far is kept."


class LocalProblem(LadingError):
    """The user's machine stands in the way: disk, path, permission, a busy folder."""

    code = "local-problem"
