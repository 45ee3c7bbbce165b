"""Ctrl-C in the middle of a slow download: over within a second, and nothing that had come is fetched again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chunkstore.clock import SystemClock
from tests.kit.command import lading
from tests.kit.game import Entry, noise, write_tree
from tests.kit.published import GAME
from tests.kit.trees import assert_same_tree
from tests.kit.webhost import Answer, Asked, web_host

ROOT = Path(__file__).parents[2]
SIZE = 20 << 20
SECOND = 1.0


def pack_bytes(requests: list[Asked]) -> int:
    """How much of packs was asked for."""
    spans = [re.fullmatch(r"bytes=(\d+)-(\d+)", r.headers["range"]) for r in requests if "/packs/" in r.key]
    return sum(int(span[2]) - int(span[1]) + 1 for span in spans if span)


def wait_for(condition: Callable[[], bool]) -> None:
    clock = SystemClock()
    limit = clock.monotonic() + 30
    while not condition():
        assert clock.monotonic() < limit
        clock.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no Ctrl-C to a process of another console")
@pytest.mark.parametrize(
    ("sent", "how"), [(signal.SIGINT, "half"), (signal.SIGTERM, "nothing")], ids=["SIGINT", "SIGTERM"]
)
def test_an_interrupted_install_goes_on_where_it_stopped(
    isolated: Path, tmp_path: Path, sent: signal.Signals, how: str
) -> None:
    """R-2.3.1-5. The host stalls at one range, before its answer or in the middle of it; all other ranges arrive."""
    source, store, target = tmp_path / "source", tmp_path / "store", tmp_path / "game"
    write_tree(source, {"big.pak": Entry(noise(SIZE, 1))})
    assert lading("publish", str(source), GAME, "--store", str(store)).exit == 0
    stalled: list[int] = []

    def stall(answer: Answer, data: bytes) -> None:
        first, last = answer.span() or (0, len(data) - 1)
        stalled.append(last + 1 - first)
        if how == "half":
            where = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Content-Length": str(stalled[0])}
            answer.head(206, **where)
            answer.wfile.write(data[first : (first + last) // 2])
        answer.host.stopping.wait()
        answer.hang_up()

    with web_host(store) as host:
        pack = next((store / "s").rglob("packs/*/*"))
        host.misbehave(pack.relative_to(store).as_posix(), stall, times=1)
        words = ["install", GAME, "--into", str(target), "--store", host.url, "--json"]
        command = [sys.executable, "-c", "from cli.main import main; main()", *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            wait_for(lambda: stalled != [] and staged(target) >= SIZE - stalled[0])
            program.send_signal(sent)
            document = json.loads(program.communicate(timeout=SECOND)[0])
        assert (program.returncode, document["error"]["code"]) == (130, "interrupted")
        assert lading("status", str(target), "--json").document["result"]["state"] == "interrupted"
        assert not (target / "big.pak").exists()

        host.requests.clear()
        done = lading(*words)
        assert done.exit == 0, done.stdout
        assert pack_bytes(host.requests) == stalled[0]
    assert_same_tree(target, source)


def staged(target: Path) -> int:
    """Bytes that have come so far."""
    return sum(path.stat().st_blocks * 512 for path in (target / ".lading").glob("staging/*"))
