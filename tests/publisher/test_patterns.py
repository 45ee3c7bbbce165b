"""Patterns of `.gitignore`; the table was compared with `git check-ignore`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from publisher.patterns import BadPattern, Patterns

TABLE = [
    # patterns, path, is it a folder, covered
    (["*.pdb"], "bin/game.pdb", False, True),
    (["*.pdb"], "bin/game.pdb.txt", False, False),
    (["/tools"], "tools", True, True),
    (["/tools"], "bin/tools", True, False),
    (["tools/"], "bin/tools", True, True),
    (["tools/"], "bin/tools", False, False),
    (["a/b"], "x/a/b", False, False),
    (["**/b"], "x/a/b", False, True),
    (["a/**/b"], "a/x/y/b", False, True),
    (["*.log", "!keep.log"], "keep.log", False, False),
    (["!keep.log", "*.log"], "keep.log", False, True),
    (["/logs/*", "!/logs/keep/"], "logs/keep", True, False),
    (["/logs/*", "!/logs/keep/"], "logs", True, False),
    (["# note", "", "   "], "# note", False, False),
    ([r"\#note"], "#note", False, True),
    ([r"\!note"], "!note", False, True),
    (["[ab].txt"], "a.txt", False, True),
    (["trailing   "], "trailing", False, True),
]


@pytest.mark.parametrize(("patterns", "path", "folder", "covered"), TABLE)
def test_patterns_mean_what_they_mean_to_git(patterns: list[str], path: str, folder: bool, covered: bool) -> None:
    assert Patterns(patterns).match(path, folder=folder) is covered


@pytest.mark.parametrize("pattern", ["!", "a\\", "[z-a]", "[[:digit:]]"])
def test_a_pattern_that_means_nothing_is_named(pattern: str) -> None:
    with pytest.raises(BadPattern) as caught:
        Patterns(["*.txt", pattern])
    assert caught.value.code == "bad-pattern"
    assert repr(pattern) in caught.value.message
    assert caught.value.cause


def test_without_patterns_nothing_is_imported(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from publisher.scan import scan\n"
        "from publisher.settings import DepotConfig\n"
        "scan(pathlib.Path(sys.argv[1]), DepotConfig(ignore=('', '# nothing')))\n"
        "assert 'pathspec' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60, cwd=root)
