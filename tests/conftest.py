"""What every test may ask for, and how hard the property tests try."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from tests.attacks.trust.count import print_count
from tests.kit.clock import FakeClock
from tests.kit.nginx import Nginx, serving
from tests.kit.published import Published, hand_over_keys, isolate, publish_three_builds

_SERVICE_FIXTURES = {"nginx"}

# No deadline: tests assert work, and the machine is shared.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=200, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that asks for a server program, so that `-m "not services"` leaves none behind."""
    for item in items:
        if _SERVICE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the run is to say in words; here, for only this file is read where the workers' reports come together."""
    print_count(terminalreporter)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Callable[..., Nginx]]:
    """A function that serves a folder with the real nginx: `nginx(folder).url`."""
    with ExitStack() as stack:
        started = 0

        def serve(root: Path, *, extra: str = "") -> Nginx:
            nonlocal started
            started += 1
            return stack.enter_context(serving(root, tmp_path / f".nginx{started}", extra=extra))

        yield serve


@pytest.fixture
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where command lines of this test keep what they remember; they see no setting of whoever runs the tests."""
    home = tmp_path / ".home"
    isolate(monkeypatch, home)
    return home


@pytest.fixture(scope="session")
def three_builds(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A store with three builds, for tests that only read it."""
    folder = tmp_path_factory.mktemp("three-builds")
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, folder / ".home")
        return publish_three_builds(folder)


@pytest.fixture
def published(three_builds: Published, isolated: Path, tmp_path: Path) -> Published:
    """A store with three builds that this test may change, and its keys on this machine, which so trusts it."""
    hand_over_keys(three_builds.state, isolated / "state")
    return replace(three_builds, store=Path(shutil.copytree(three_builds.store, tmp_path / "store")))
