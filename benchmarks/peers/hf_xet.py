"""hf-xet: the store behind a large model hub, here with a local folder as its far end; chunks of about 64 KiB, lz4.

`python -m benchmarks.peers.hf_xet publish STORE SOURCE LIST`, `… install STORE LIST INTO`: hf-xet is a library, so this
module is also the program that is measured.
"""

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import downloads
from benchmarks.measure import Command
from benchmarks.peers.peer import Home, Peer, nothing
from benchmarks.workplace import ROOT, cache


def ready() -> bool:
    return downloads.python_package("hf-xet", _library())


def publish(home: Home, source: Path, label: str) -> Command:
    return _command(home, "publish", home.store, source, home.private / label)


def install(home: Home, label: str, into: Path) -> Command:
    return _command(home, "install", home.store, home.private / label, into)


def _library() -> Path:
    return cache() / "peers" / "hf-xet"


def _command(home: Home, *words: object) -> Command:
    environment = {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{_library()}",
        "HF_HOME": str(home.private),
        "HOME": str(home.private),
    }
    return Command([sys.executable, "-m", __name__, *map(str, words)], env=environment, python=True)


def _import() -> Any:
    return import_module("hf_xet")


def _publish(store: Path, source: Path, listing: Path) -> None:
    hf_xet = _import()
    commit = hf_xet.XetSession().new_upload_commit(endpoint=f"local://{store}")
    handles = {
        str(path.relative_to(source)): commit.start_upload_file(str(path), sha256=hf_xet.SKIP_SHA256)
        for path in sorted(source.rglob("*"))
        if path.is_file()
    }
    commit.wait_to_finish()
    infos = {path: handle.result().xet_info for path, handle in handles.items()}
    listing.write_text(json.dumps({path: [info.hash, info.file_size] for path, info in infos.items()}))


def _install(store: Path, listing: Path, into: Path) -> None:
    hf_xet = _import()
    group = hf_xet.XetSession().new_file_download_group(endpoint=f"local://{store}")
    for path, (digest, size) in json.loads(listing.read_text()).items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        group.start_download_file(hf_xet.XetFileInfo(digest, size), str(into / path))
    group.wait_to_finish()


PEER = Peer("hf-xet", nothing, publish, install, ready)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("publish", "install"))
    parser.add_argument("folders", type=Path, nargs=3)
    chosen = parser.parse_args()
    {"publish": _publish, "install": _install}[chosen.verb](*chosen.folders)
