"""The whole life of a game as somebody types it, each line a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.kit.game import write_build
from tests.kit.trees import assert_same_tree

ROOT = Path(__file__).parents[2]


def typed(*words: str, leaves: int = 0) -> str:
    """What the command prints as its result."""
    command = [sys.executable, "-c", "from cli.main import main; main()", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == leaves, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_publish_install_update_damage_verify_repair_uninstall(isolated: Path, tmp_path: Path) -> None:
    source, store, game = (str(tmp_path / name) for name in ("source", "store", "game"))
    write_build(Path(source), 1)
    assert typed("publish", source, "toy", "--store", store, "--version", "1.0").startswith("Published toy 1.0")
    assert "toy 1.0 (build #1) is installed" in typed("install", "toy", "--into", game, "--store", store)
    assert_same_tree(Path(game), Path(source))

    write_build(Path(source), 2)
    typed("publish", source, "toy", "--store", store, "--version", "2.0")
    assert "toy 2.0 (build #2) would change" in typed("update", game, "--dry-run")
    assert "toy 2.0 (build #2) is installed" in typed("update", game)
    assert "nothing to do" in typed("update", game, "--exit-code", leaves=3)
    assert_same_tree(Path(game), Path(source))

    (Path(game) / "data" / "levels.pak").write_bytes(b"damaged")
    (Path(game) / "bin" / "game").unlink()
    assert "missing     bin/game" in typed("verify", game, leaves=11)
    assert "wounded" in typed("status", game)
    assert "2 files changed" in typed("repair", game)
    assert "as published" in typed("verify", game, "--full")
    assert_same_tree(Path(game), Path(source))

    (Path(game) / "my.save").write_text("mine")
    typed("uninstall", game)
    assert [path.name for path in Path(game).iterdir()] == ["my.save"]
