"""The form of names that people give: games, depots, channels, scopes and version labels.

Names become parts of keys, addresses and folders, so they are plain. A version label is only shown and compared, so it
may be almost anything that cannot be mistaken for another way to select a build (`#12`, `@beta`).
"""

from __future__ import annotations

import re

from chunkstore.errors import Refused

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION_LIMIT = 64


def check_name(text: str, what: str) -> str:
    """`text` itself if it can name a game, depot, channel or scope; `what` says which. Raises `BadName`."""
    if not _NAME.fullmatch(text):
        raise BadName(
            f"{text!r:.80} cannot be the name of a {what}",
            cause="A name has 1 to 64 characters of a-z, 0-9, '.', '_' and '-', and starts with a letter or a digit.",
            next=f"Choose another name for the {what}, in lower case.",
            data={"name": text, "what": what},
        )
    return text


def check_version(text: str) -> str:
    """`text` itself if it can label a version. Raises `BadName`."""
    if not 1 <= len(text) <= _VERSION_LIMIT or not text.isprintable() or "/" in text or text[0] in "#@":
        raise BadName(
            f"{text!r:.80} cannot be a version label",
            cause="A label has 1 to 64 printable characters, no '/', and starts with neither '#' nor '@'.",
            next="Choose another label, for example 1.4.2.",
            data={"name": text, "what": "version"},
        )
    return text


class BadName(Refused):
    """A name that a person gave does not have the form of one."""

    code = "bad-name"
    default_cause = "Names become parts of keys, addresses and folders, so they are plain."
    default_next = "Choose another name."
