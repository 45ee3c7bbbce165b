"""Settings: what they are, where each value came from, and the only place that reads the environment.

`Settings` is the table: one field a setting, whose metadata says how its text is read. A setting `download.parallel` is
the attribute `download_parallel`, the variable `LADING_DOWNLOAD_PARALLEL` and `parallel` under `[download]` in the
user's file. A flag wins over the environment, the environment over the file, the file over the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from chunkstore.errors import LocalProblem, Refused

COMPLETION_VARIABLE = "_LADING_COMPLETE"
_SECTIONS = ("download", "output")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)(i?)b?(?:/s)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty")
    return value


def _path(value: str) -> Path:
    return Path(_text(value)).expanduser()


def _count(value: str) -> int:
    if not value.strip().isascii() or not value.strip().isdigit() or not 1 <= int(value) <= 1024:
        raise ValueError("it is not a whole number from 1 to 1024")
    return int(value)


def _switch(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if value.lower() not in words:
        raise ValueError("it is neither true nor false")
    return words[value.lower()]


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"it is none of {', '.join(words)}")
        return value.lower()

    return parse


def parse_rate(value: str) -> int | None:
    """Bytes per second from `500k`, `10M`, `1.5 MiB/s`; None for `off`. Plain letters count in thousands."""
    if value.strip().lower() == "off":
        return None
    match = _RATE.fullmatch(value.strip())
    if not match:
        raise ValueError("it is not a rate such as 500k, 10M or 1.5MiB")
    number, letter, binary = match.groups()
    if rate := int(float(number) * (1024 if binary else 1000) ** _POWERS[letter.lower()]):
        return rate
    raise ValueError("a rate of nothing never ends; say off for no limit")


def _state_dir() -> Path:
    from platformdirs import user_data_path

    return user_data_path("lading", appauthor=False)


def _setting(
    parse: Callable[[str], Any], default: Any = None, *, secret: bool = False, **also: Callable[[str], str]
) -> Any:
    """A row of the table. `also` names foreign variables that are honoured, and what their value means in ours."""
    metadata = {"parse": parse, "secret": secret, "also": also}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every value that a command may need from outside, already checked."""

    store: str | None = _setting(_text)
    server: str | None = _setting(_text)
    token: str | None = _setting(_text, secret=True)
    token_file: Path | None = _setting(_path)
    trust: str | None = _setting(_text)
    key_passphrase: str | None = _setting(_text, secret=True)
    key_passphrase_file: Path | None = _setting(_path)
    state_dir: Path = _setting(_path, _state_dir)
    workers: int = _setting(_count, lambda: os.cpu_count() or 1)
    debug: bool = _setting(_switch, False)
    download_limit_rate: int | None = _setting(parse_rate)
    download_parallel: int = _setting(_count, 6)
    output_colour: str = _setting(_one_of("auto", "always", "never"), "auto", NO_COLOR=lambda _: "never")
    output_progress: str = _setting(_one_of("auto", "bar", "plain"), "auto")


SETTING_NAMES = frozenset(row.name for row in fields(Settings))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value came from, as a person would look for it."""

    key: str
    value: Any
    origin: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force and the origin of each, in the order of the table."""

    settings: Settings
    origins: tuple[Origin, ...]

    def flag(self, name: str) -> Any:
        """The value of the attribute `name` if a flag gave it, else None."""
        flagged = (row.value for row in self.origins if row.key == key_of(name) and row.origin.startswith("flag "))
        return next(flagged, None)


def key_of(name: str) -> str:
    """The key that people write for the attribute `name`: `download_parallel` is `download.parallel`."""
    section, _, rest = name.partition("_")
    return f"{section}.{rest}" if section in _SECTIONS else name


def variable_of(name: str) -> str:
    """The environment variable for the attribute `name`."""
    return f"LADING_{name.upper()}"


def flag_of(name: str) -> str:
    """The flag for the attribute `name`, without its section: `--limit-rate`."""
    return "--" + key_of(name).rpartition(".")[2].replace("_", "-")


def config_file() -> Path:
    """The user's configuration file, whether or not it exists."""
    from platformdirs import user_config_path

    return user_config_path("lading", appauthor=False) / "config.toml"


def completion_request() -> str:
    """What a shell that completes a line asks for; empty when a person calls."""
    return os.environ.get(COMPLETION_VARIABLE, "")


def load(flags: Mapping[str, str] | None = None) -> Configuration:
    """The configuration of this process. Raises `BadSetting`, `ConfigUnreadable`."""
    return resolve(flags=flags or {}, environ=os.environ, file=config_file())


def debugging() -> bool:
    """Whether unexpected failures show their traceback; asked when even the configuration may be what failed."""
    try:
        return load().settings.debug
    except (BadSetting, ConfigUnreadable):
        return False


def resolve(*, flags: Mapping[str, str], environ: Mapping[str, str], file: Path) -> Configuration:
    """The configuration that these sources give, strongest first; `flags` are by attribute name."""
    written = _read(file)
    values: dict[str, Any] = {}
    origins = []
    for row in fields(Settings):
        texts = _candidates(row, flags, environ, written, file)
        text, origin = next(texts, (None, "default"))
        if text is not None:
            values[row.name] = _parsed(row, text, origin)
        origins.append((row, origin))
    settings = Settings(**values)
    return Configuration(
        settings,
        tuple(Origin(key_of(r.name), getattr(settings, r.name), o, r.metadata["secret"]) for r, o in origins),
    )


def _candidates(
    row: Field[Any], flags: Mapping[str, str], environ: Mapping[str, str], written: Mapping[str, str], file: Path
) -> Iterator[tuple[str, str]]:
    """The texts given for one setting with their origins, strongest first."""
    if row.name in flags:
        yield flags[row.name], f"flag {flag_of(row.name)}"
    if environ.get(variable_of(row.name)):
        yield environ[variable_of(row.name)], f"environment {variable_of(row.name)}"
    for foreign, meaning in row.metadata["also"].items():
        if environ.get(foreign):
            yield meaning(environ[foreign]), f"environment {foreign}"
    if key_of(row.name) in written:
        yield written[key_of(row.name)], f"file {file}"


def _parsed(row: Field[Any], text: str, origin: str) -> Any:
    try:
        return row.metadata["parse"](text)
    except ValueError as reason:
        shown = "***" if row.metadata["secret"] else repr(text)
        raise BadSetting(f"{key_of(row.name)} cannot be {shown}: {reason}", where=origin) from None


def _read(file: Path) -> dict[str, str]:
    """The file as dotted keys and texts. An unknown key is refused: it is a misspelled one that would do nothing."""
    import tomllib

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigUnreadable(f"cannot read the configuration file: {error.strerror}", where=str(file)) from error
    except ValueError as error:
        raise BadSetting(f"not a TOML file: {error}", where=str(file)) from error
    flat = {}
    for key, value in document.items():
        rows = {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
        for dotted, inner in rows.items():
            flat[_known(dotted, file)] = _scalar(dotted, inner, file)
    return flat


def _scalar(key: str, value: object, file: Path) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise BadSetting(
        f"{key} cannot be a {type(value).__name__}: it is one text, number or switch", where=f"file {file}"
    )


def _known(key: str, file: Path) -> str:
    known = {key_of(name) for name in SETTING_NAMES}
    if key in known:
        return key
    from difflib import get_close_matches

    close = get_close_matches(key, sorted(known), n=1)
    advice = f"Did you mean {close[0]}?" if close else f"The settings are {', '.join(sorted(known))}."
    raise BadSetting(f"there is no setting {key!r}", where=f"file {file}", next=advice)


class BadSetting(Refused):
    """A flag, a variable or the configuration file gives a value that a setting cannot have."""

    code = "bad-setting"
    default_cause = "The value does not have the form that this setting needs."
    default_next = "Correct it where it is set; `lading config show` lists every setting and where its value is from."


class ConfigUnreadable(LocalProblem):
    """The configuration file exists and cannot be read."""

    code = "config-unreadable"
    default_cause = "Permissions, or something that is not a file."
    default_next = "Make the file readable for the user who runs the command, or remove it."
