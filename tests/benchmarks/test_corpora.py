"""The recipes of real builds parse, and what does not match its digest is refused."""

import re
import zipfile
from pathlib import Path

import pytest

from benchmarks import corpora, downloads


def test_the_recipes_name_what_the_tables_need() -> None:
    found = corpora.recipes()
    assert [build.label for build in found["bpy"].builds] == [f"4.5.{patch}" for patch in range(11, 16)]
    assert len(found["wesnoth"].builds) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", build.sha256) for corpus in found.values() for build in corpus.builds)


def test_the_recipes_hold_no_address() -> None:
    assert "://" not in corpora.RECIPES.read_text()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> corpora.Recipe:
    """A wheel as pip would bring it, and the recipe for it, in a cache of its own."""
    monkeypatch.setenv("LADING_BENCH_DIR", str(tmp_path / "cache"))
    package = tmp_path / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(package, "w") as archive:
        tool = zipfile.ZipInfo("toy/run")
        tool.external_attr = 0o755 << 16
        archive.writestr(tool, "#!/bin/sh\n")
        archive.writestr("toy/data", "data")
    monkeypatch.setattr(downloads, "wheel", lambda *_: package)
    recipe = corpora.Recipe("1", "toy", "1", corpora.sha256(package))
    monkeypatch.setattr(corpora, "recipes", lambda: {"toy": corpora.Corpus("toy", "", "pypi", (recipe,))})
    return recipe


@pytest.mark.usefixtures("toy")
def test_a_build_is_unpacked_once_with_equal_times() -> None:
    (build,) = corpora.fetch("toy")
    files = {path.name: path for path in build.folder.rglob("*") if path.is_file()}
    assert files["data"].read_text() == "data"
    assert {path.stat().st_mtime for path in files.values()} == {corpora.MODIFIED}
    assert files["run"].stat().st_mode & 0o111
    assert not files["data"].stat().st_mode & 0o111
    assert corpora.fetch("toy") == [build]


def test_another_digest_is_refused(toy: corpora.Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = corpora.Corpus("toy", "", "pypi", (corpora.Recipe("1", "toy", "1", "0" * 64),))
    monkeypatch.setattr(corpora, "recipes", lambda: {"toy": wrong})
    with pytest.raises(SystemExit, match="SHA-256"):
        corpora.fetch(toy.package)


@pytest.mark.usefixtures("toy")
def test_what_the_archive_no_longer_has_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(downloads, "wheel", lambda *_: None)
    assert corpora.fetch("toy") == []
    assert "the archive has no toy" in capsys.readouterr().err
