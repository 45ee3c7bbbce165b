"""Scratch folders: whose they are, and that nothing of them stays."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from chunkstore.scratch import scratch_folder
from chunkstore.store import PathUnusable


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_it_is_its_owners_alone_and_goes_with_the_work() -> None:
    with scratch_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "key").write_bytes(b"secret")
    assert not folder.exists()


def test_where_none_can_be_made_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(PathUnusable) as refused, scratch_folder():
        pass
    assert str(tmp_path / "missing") in refused.value.where
