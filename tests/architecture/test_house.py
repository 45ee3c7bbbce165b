"""The shape of the house that a linter does not see: names, lengths, declared libraries, a light start."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.kit.command import lading
from tests.kit.errors import PACKAGES
from tests.kit.published import GAME, Published

ROOT = Path(__file__).parents[2]
BANNED_NAMES = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
HEAVY = {"numpy", "rich", "pydantic", "sqlalchemy", "tuf", "cryptography", "msgpack", "pyreqwest", "zstandard"}
LONGEST_FILE = 400


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    odd = [path for path in sources(*PACKAGES, "tests", "benchmarks") if set(path.stem.split("_")) & BANNED_NAMES]
    assert odd == []


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES, "tests")}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_the_largest_room_says_where_to_read_first() -> None:
    """Each file of `manifest.trust` has its place in the docstring of the package."""
    docstring = ast.get_docstring(ast.parse((ROOT / "manifest/trust/__init__.py").read_text(encoding="utf-8")))
    told = re.findall(r"`([a-z]+)`", docstring or "")
    assert {path.stem for path in sources("manifest/trust")} - {"__init__"} <= set(told)


def imported(path: Path) -> Iterator[str]:
    """Top-level names that the file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (requirements for name, requirements in project["optional-dependencies"].items() if name not in TOOLS)
    requirements = [*project["dependencies"], *(requirement for group in extras for requirement in group)]
    return {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


TOOLS = {"all", "bench", "lint", "test"}


def test_every_imported_library_is_declared() -> None:
    """A library that is only on the developer's machine would be missing on the user's."""
    known = {*sys.stdlib_module_names, *PACKAGES}
    owners = packages_distributions()
    missing: dict[str, str] = {}
    for path in sources(*PACKAGES):
        for name in set(imported(path)) - known:
            distributions = {owner.lower().replace("_", "-") for owner in owners.get(name, [name])}
            if not distributions & declared():
                missing[name] = path.relative_to(ROOT).as_posix()
    assert missing == {}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["config", "show"], ["config", "shw"]], ids=" ".join)
def test_the_start_is_light(words: list[str]) -> None:
    """`--help` costs at most 100 ms above bare Python: what takes longer to import than that stays out."""
    _, loaded = loaded_by(f"import sys; sys.argv = ['lading', *{words!r}]; from cli.main import main; main()")
    assert "click" in loaded
    assert loaded & HEAVY == set()


def loaded_by(program: str) -> tuple[int, set[str]]:
    """How a program of its own leaves, and the top-level names that it imported."""
    command = [sys.executable, "-X", "importtime", "-c", program]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in finished.stderr.splitlines() if "|" in line]
    return finished.returncode, {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize("words", ["status {game}", "verify {game}", "update {game} --exit-code", "update {emptied}"])
def test_signatures_are_verified_only_where_something_is_new(published: Published, tmp_path: Path, words: str) -> None:
    """python-tuf takes 60 ms and more; what was verified today and is the same needs none of it."""
    places = {"game": tmp_path / "game", "emptied": tmp_path / "emptied"}
    for folder in places.values():
        done = lading("install", GAME, "--into", str(folder), "--store", str(published.store), "--trust", "first-use")
        assert done.exit == 0, done.stderr
    if "emptied" in words:
        shutil.rmtree(os.environ["LADING_STATE_DIR"])
    said = words.format(**places).split()
    exit, loaded = loaded_by(f"import sys; from tests.kit.command import lading; sys.exit(lading(*{said!r}).exit)")
    assert exit == (3 if "--exit-code" in words else 0)
    assert loaded & {"tuf", "securesystemslib"} == ({"tuf", "securesystemslib"} if "emptied" in words else set())
