"""What a machine remembers of a publish that is not live yet: whole or nothing, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.sessions import Session, SessionFile
from tests.kit.mortality import killed_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry" / "toy.main.session"


def test_it_remembers_one_session_until_it_is_cleared(path: Path) -> None:
    file = SessionFile(path)
    assert file.load() is None
    for session in (Session(5), Session(7, signed_on=3)):
        file.save(session)
        assert SessionFile(path).load() == session
    file.clear()
    file.clear()
    assert file.load() is None


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[]", b'{"number": "5", "signed_on": 0}', b'{"number": 5}', b"\xff", b'{"number":5,"sig']
)
def test_what_is_damaged_is_no_session(path: Path, data: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    assert SessionFile(path).load() is None
    SessionFile(path).save(Session(1))
    assert SessionFile(path).load() == Session(1)


def test_what_stands_in_its_way_is_let_be(path: Path) -> None:
    path.mkdir(parents=True)
    file = SessionFile(path)
    file.save(Session(1))
    assert file.load() is None
    file.clear()
    assert path.is_dir()


def test_whenever_it_is_killed_it_is_the_old_one_or_the_new_one(path: Path) -> None:
    file = SessionFile(path)
    file.save(Session(1))
    for moment in range(10):
        if not killed_at(moment, lambda: file.save(Session(2, signed_on=9))):
            break
        assert file.load() in (Session(1), Session(2, signed_on=9))
    assert moment > 1
    assert file.load() == Session(2, signed_on=9)
