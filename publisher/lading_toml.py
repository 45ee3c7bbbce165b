"""Reads what a source folder says about itself: `lading.toml`, strictly, and the lines of `.ladingignore`.

    game = "frost"
    ignore = ["*.pdb"]                  # for all depots; patterns as in .gitignore

    [[depot]]
    name = "windows"
    platform = "windows"                # any, windows, linux or macos
    language = "de"                     # for a depot of one language
    optional = false                    # true: installed only when asked for
    chunk_average = 32768               # bytes, a power of two; settled by the first publish
    ignore = ["/tools/"]
    mapping = [{ from = "build/win64", to = "" }, { from = "assets", to = "data" }]

    [depot.tags]                        # pattern of installed paths = a tag or several
    "voices/de/" = "language:de"
    "bin/launcher" = "executable"
    "settings.ini" = "user-owned"

All is optional and nothing else is allowed: a key that is not known is more often misspelt than meant. Opens these two
files and no other; the values go to `publisher.settings`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from chunkstore.cutting import BadCutParameters, parameters_for
from chunkstore.errors import Refused
from chunkstore.store import PathUnusable
from manifest.names import BadName, check_name
from manifest.paths import BadPath, check_path
from publisher.settings import (
    CONFIG_FILE,
    DEFAULT_DEPOT,
    EXECUTABLE_TAG,
    IGNORE_FILE,
    PLATFORMS,
    DepotConfig,
    Placed,
    SourceConfig,
    TagRule,
)

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

T = TypeVar("T")


def load_source_config(root: Path) -> SourceConfig:
    """What `root` says about itself; the defaults if it says nothing. Raises `BadConfig`, `PathUnusable`."""
    ignore = tuple(_read(root / IGNORE_FILE).splitlines())
    file = root / CONFIG_FILE
    try:
        document = tomllib.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise BadConfig(f"{CONFIG_FILE} is not TOML: {error}", where=str(file)) from error
    return _source(_Table(file, "", document), ignore)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except UnicodeDecodeError as error:
        raise BadConfig(f"{file.name} is not UTF-8 text", where=str(file), cause=str(error)) from error
    except OSError as error:
        raise PathUnusable(f"{file.name} cannot be read: {error.strerror}", where=str(file)) from error


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of the file; `at` says which, as `depot[0].`."""

    file: Path
    at: str
    values: Mapping[str, Any]

    def get(self, key: str, form: Callable[[Any], T], default: T) -> T:
        """The value of `key` in the form that `form` gives it or raises `ValueError` about."""
        if key not in self.values:
            return default
        try:
            return form(self.values[key])
        except ValueError as error:
            raise self.bad(key, str(error)) from error
        except (BadName, BadPath) as error:
            raise self.bad(key, error.message) from error

    def tables(self, key: str) -> Iterator[_Table]:
        """Each table of the array `key`."""
        nothing: list[Mapping[str, Any]] = []
        for row, values in enumerate(self.get(key, _tables, nothing)):
            yield _Table(self.file, f"{self.at}{key}[{row}].", values)

    def allow(self, *keys: str) -> None:
        """Refuse every other key."""
        for key in self.values:
            if key not in keys:
                raise self.bad(key, "is no key here", _suggestion(key, keys), keys)

    def bad(self, key: str, reason: str, next: str = "", allowed: Sequence[str] = ()) -> BadConfig:
        return BadConfig(
            f"{self.file.name}: {self.at}{key} {reason}",
            where=str(self.file),
            next=next,
            data={"key": f"{self.at}{key}", "reason": reason, "allowed": list(allowed)},
        )


def _source(table: _Table, ignore: tuple[str, ...]) -> SourceConfig:
    table.allow("game", "ignore", "depot")
    ignore = table.get("ignore", _added_to(ignore), ignore)
    depots = tuple(_depot(entry, ignore) for entry in table.tables("depot"))
    names = [depot.name for depot in depots]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise table.bad("depot", f"has two depots of the name {twice!r}")
    return SourceConfig(table.get("game", lambda value: check_name(_text(value), "game"), None), ignore, depots)


def _depot(table: _Table, ignore: tuple[str, ...]) -> DepotConfig:
    table.allow("name", "platform", "language", "optional", "chunk_average", "ignore", "mapping", "tags")
    return DepotConfig(
        name=table.get("name", lambda value: check_name(_text(value), "depot"), DEFAULT_DEPOT),
        platform=table.get("platform", _platform, None),
        language=table.get("language", _language, ""),
        optional=table.get("optional", _switch, False),
        chunk_average=table.get("chunk_average", _chunk_average, None),
        mappings=tuple(_placed(entry) for entry in table.tables("mapping")) or (Placed(),),
        ignore=table.get("ignore", _added_to(ignore), ignore),
        tags=table.get("tags", _tag_rules, ()),
    )


def _placed(table: _Table) -> Placed:
    table.allow("from", "to")
    return Placed(table.get("from", _folder, ""), table.get("to", _folder, ""))


def _tables(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
        raise ValueError("is not a list of tables")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("is not a text")
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _chunk_average(value: Any) -> int:
    try:
        return parameters_for(value if type(value) is int else 0).average
    except BadCutParameters as error:
        raise ValueError(f"is {value!r:.80}. {error.next}") from error


def _added_to(patterns: tuple[str, ...]) -> Callable[[Any], tuple[str, ...]]:
    def form(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError("is not a list of patterns")
        return patterns + tuple(_text(entry) for entry in value)

    return form


def _folder(value: Any) -> str:
    if value in ("", "."):
        return ""
    return check_path(_text(value).removesuffix("/"))


def _platform(value: Any) -> str:
    if value not in PLATFORMS:
        raise ValueError(f"is {value!r:.80}, which is none of {', '.join(PLATFORMS)}")
    return str(value)


def _language(value: Any) -> str:
    if not _LANGUAGE.fullmatch(_text(value)):
        raise ValueError(f"is {value!r:.80}, which is no language; en and pt-BR are")
    return str(value)


def _tag_rules(value: Any) -> tuple[TagRule, ...]:
    if not isinstance(value, dict):
        raise ValueError("is not a table of patterns and their tags")
    return tuple(
        TagRule(_text(pattern), _tag(tag))
        for pattern, tags in value.items()
        for tag in (tags if isinstance(tags, list) else [tags])
    )


def _tag(value: Any) -> str:
    kind, _, detail = _text(value).partition(":")
    if kind not in _TAGS:
        raise ValueError(f"has the tag {value!r:.80}. {_suggestion(kind, _TAGS)}")
    form = _TAGS[kind]
    if form is None and detail:
        raise ValueError(f"has the tag {value!r:.80}, but {kind} stands alone")
    return f"{kind}:{form(detail)}" if form else kind


_TAGS: Mapping[str, Callable[[str], str] | None] = {
    "optional": lambda detail: check_name(detail, "tag"),
    "language": _language,
    "platform": _platform,
    EXECUTABLE_TAG: None,
    "user-owned": None,
}
"""The kinds of tags, and the form of what stands behind the colon, if anything."""


def _suggestion(word: str, allowed: Iterable[str]) -> str:
    words = list(allowed)
    closest = "".join(f"Did you mean {close!r}? " for close in get_close_matches(word, words, n=1))
    return f"{closest}Allowed here: {', '.join(words)}."


class BadConfig(Refused):
    """`lading.toml` or `.ladingignore` says something that has no meaning."""

    code = "bad-config"
    default_cause = "The file in the source folder is misspelt, or was written for another version."
    default_next = "Correct the file and run the command again."
