"""Corpora: recipes of real builds (`corpora.toml`), and the folders that they become in the cache.

    python -m benchmarks.corpora [NAME ...]     fetch and unpack, print where

A recipe names packages, versions and digests, never an address: the machine's own pip and apt know where from. What an
archive no longer holds is replaced by what it has, or left out, and that is said; a digest that differs is an error.
"""

import hashlib
import os
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import downloads
from benchmarks.workplace import cache, say

RECIPES = Path(__file__).with_name("corpora.toml")
MODIFIED = 1577836800


@dataclass(frozen=True, slots=True)
class Recipe:
    """One build of a corpus as a package; `root` is the folder inside the package that is the build."""

    label: str
    package: str
    version: str
    sha256: str
    suite: str = ""
    root: str = ""


@dataclass(frozen=True, slots=True)
class Corpus:
    name: str
    about: str
    source: str
    builds: tuple[Recipe, ...]
    python: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """A build that lies unpacked on this machine."""

    label: str
    folder: Path


def recipes(path: Path = RECIPES) -> dict[str, Corpus]:
    parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: Corpus(name=name, **{**entry, "builds": tuple(Recipe(**build) for build in entry["builds"])})
        for name, entry in parsed.items()
    }


def fetch(name: str, newest: int | None = None) -> list[Build]:
    """The builds of a corpus, oldest first, fetched and unpacked unless they are there already."""
    corpus = recipes()[name]
    wanted = corpus.builds[-newest:] if newest else corpus.builds
    found = (_unpacked(corpus, recipe) for recipe in wanted)
    return [build for build in found if build]


def _unpacked(corpus: Corpus, recipe: Recipe) -> Build | None:
    folder = cache() / corpus.name / recipe.label
    if folder.is_dir():
        return Build(recipe.label, folder)
    say(f"{corpus.name} {recipe.label}: fetching {recipe.package} {recipe.version}")
    packages = cache() / "packages"
    packages.mkdir(exist_ok=True)
    package, actual = _package(corpus, recipe, packages)
    if package is None:
        say(f"{corpus.name} {recipe.label}: the archive has no {recipe.package}; the tables go without it")
        return None
    folder = folder.with_name(actual.label)
    if not folder.is_dir():
        _unpack(package, actual.root, folder)
    return Build(actual.label, folder)


def _package(corpus: Corpus, recipe: Recipe, into: Path) -> tuple[Path | None, Recipe]:
    """The verified package file, and the recipe as it came out: another version when the archive moved on."""
    if corpus.source == "pypi":
        package = downloads.wheel(recipe.package, recipe.version, corpus.python, corpus.platform, into)
    else:
        package, version = downloads.deb(recipe.package, recipe.version, recipe.suite, into)
        if package and version != recipe.version:
            say(f"{recipe.package} {recipe.version} is gone from the archive: taking {version} (no digest is known)")
            return package, replace(recipe, version=version, label=version.split(":")[-1])
    if package and sha256(package) != recipe.sha256:
        raise SystemExit(f"{package.name}: SHA-256 is not {recipe.sha256}; delete it, or correct {RECIPES.name}")
    return package, recipe


def _unpack(package: Path, root: str, folder: Path) -> None:
    """Appears whole or not at all. Links are dropped and times made equal: contestants treat them differently."""
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    if package.suffix == ".whl":
        _unzip(package, aside)
    else:
        downloads.unpack_deb(package, aside)
    for path in list(aside.rglob("*")):
        if path.is_symlink():
            path.unlink()
        else:
            os.utime(path, (MODIFIED, MODIFIED))
    (aside / root).rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _unzip(package: Path, folder: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        for member in archive.infolist():
            target = archive.extract(member, folder)
            executable = member.external_attr >> 16 & 0o111
            if executable and not member.is_dir():
                os.chmod(target, 0o755)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(names: Iterable[str]) -> None:
    for name in names or recipes():
        for build in fetch(name):
            print(f"{name} {build.label} {build.folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
