"""`docs/limits.md` says what the code says, and leaves no public number of the core out."""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from chunkstore.errors import LadingError
from chunkstore.store import check_key
from cli.config import resolve
from cli.exits import EXITS
from manifest.documents import natural
from manifest.names import check_name

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
NAMED = dict(re.findall(r"^\| `((?:[A-Za-z_]+\.)+\w+)` \| ([^|]+?) \| ", PAGE, re.MULTILINE))
UNNAMED = dict(re.findall(r"^\| ([^|`]+?) \| (\d+) \| ", PAGE, re.MULTILINE))
UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 1, "ns": 1, "days": 24 * 60 * 60}

CORE = ("chunkstore", "manifest", "delta", "publisher", "client")
NO_LIMITS = {"VERSION", "FORMAT", "EXECUTABLE", "READ", "WRITE", "O_BINARY", "PUBLIC_SIZE"}
"""Public numbers that bound nothing: versions, a bit, how files are opened, how long a key is."""

PROBES: dict[str, Callable[[int], object]] = {
    "characters of the name of a game, depot, channel or scope": lambda count: check_name("a" * count, "game"),
    "characters of a key": lambda count: check_key("a/" * 449 + "a" * (count - 898)),
    "characters between two slashes of a key": lambda count: check_key("a" * count),
    "a number in a document": lambda number: natural({"size": number}, "size"),
    "workers, requests in flight": lambda count: resolve(flags={"workers": str(count)}, environ={}, file=Path("none")),
}


def number_in(told: str) -> float:
    number, _, unit = told.partition(" ")
    return float(number.replace(",", "")) * UNITS[unit]


def value_of(name: str) -> Any:
    """What a dotted name stands for; a field of a dataclass stands for its default, one of a table for its row."""
    parts = name.split(".")
    module = next(at for at in range(len(parts) - 1, 0, -1) if is_module(".".join(parts[:at])))
    found: Any = import_module(".".join(parts[:module]))
    for part in parts[module:]:
        if isinstance(found, type) and is_dataclass(found):
            found = {field.name: field.default for field in fields(found)}[part]
        elif isinstance(found, Mapping):
            found = found[part]
        else:
            found = getattr(found, part)
    return found


def is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def public_numbers() -> Iterator[str]:
    """The numbers that modules of the core define in capitals."""
    for package in CORE:
        for info in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            module = import_module(info.name)
            tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
            targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
            targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
            for name in {target.id for target in targets if isinstance(target, ast.Name)}:
                if name[0] != "_" and type(getattr(module, name)) in (int, float):
                    yield f"{info.name}.{name}"


@pytest.mark.parametrize("name", NAMED)
def test_the_page_gives_the_value_of_the_code(name: str) -> None:
    assert value_of(name) == number_in(NAMED[name])


def test_no_public_number_is_missing() -> None:
    numbers = {name for name in public_numbers() if name.rpartition(".")[2] not in NO_LIMITS}
    assert numbers - set(NAMED) == set()
    assert len(numbers) > 20


@pytest.mark.parametrize("table", ["LIMITS", "LIFETIMES"])
def test_every_role_has_its_rows(table: str) -> None:
    name = f"manifest.trust.roles.{table}"
    assert {f"{name}.{role}" for role in value_of(name)} == {row for row in NAMED if row.startswith(f"{name}.")}


@pytest.mark.parametrize("what", PROBES)
def test_a_bound_without_a_name_is_where_the_page_says(what: str) -> None:
    most = int(UNNAMED[what])
    PROBES[what](most)
    with pytest.raises((LadingError, ValueError)):
        PROBES[what](most + 1)


def test_every_bound_without_a_name_is_tried() -> None:
    assert set(UNNAMED) == set(PROBES)


def test_refusals_are_errors_of_the_program() -> None:
    codes = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", PAGE.partition("## What is not there yet")[2]))
    assert codes <= set(EXITS)
    assert len(codes) >= 4
