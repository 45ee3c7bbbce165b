"""Packages by name and version through the machine's own pip and apt; no address is written here.

Debian's other suites are reached by a private sources list that is derived from the machine's own, with a private apt
state beside it: the machine's apt is read and never changed.
"""

import os
import shutil
import subprocess
import sys
from functools import cache as once
from pathlib import Path

from benchmarks.workplace import cache

SUITES = ("bookworm", "trixie", "forky", "sid")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def wheel(package: str, version: str, python: str, platform: str, into: Path) -> Path | None:
    pattern = f"{package}-{version}-*.whl"
    if not list(into.glob(pattern)):
        chosen = ["--no-deps", "--only-binary=:all:", "--python-version", python, "--platform", platform]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *chosen, "--dest", str(into)]
        subprocess.run([*command, f"{package}=={version}"], check=False, stdout=sys.stderr)
    return next(into.glob(pattern), None)


def python_package(package: str, into: Path) -> bool:
    """A Python package in a folder of its own, so that the environment of whoever measures stays as it is."""
    if not into.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(into), package]
        subprocess.run(command, check=False, stdout=sys.stderr)
    return into.is_dir()


def deb(package: str, version: str, suite: str, into: Path) -> tuple[Path | None, str]:
    """The package file and its version: the wanted one, else the one of that suite, else nothing."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None, ""
    present = next(into.glob(f"{package}_{version.replace(':', '%3a')}_*.deb"), None)
    if present:
        return present, version
    for wanted in (f"{package}={version}", f"{package}/{suite}"):
        before = set(into.glob("*.deb"))
        subprocess.run(
            ["apt-get", *_private_apt(), "download", "--quiet", wanted], check=False, cwd=into, stdout=sys.stderr
        )
        arrived = next(iter(set(into.glob("*.deb")) - before), None)
        if arrived:
            return arrived, arrived.name.split("_")[1].replace("%3a", ":")
    return None, ""


def unpack_deb(package: Path, folder: Path) -> None:
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)


def install_from_debian(*packages: str) -> bool:
    """Installs programs for the whole machine; only root can, and only on Debian or what descends from it."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        finished = subprocess.run(["apt-get", "--quiet", *words], check=False, stdout=sys.stderr, env=environment)
    return finished.returncode == 0


@once
def _private_apt() -> tuple[str, ...]:
    """Options that make apt see several suites of the machine's mirror, in a state folder of their own."""
    home = cache() / "apt"
    for folder in ("state/lists/partial", "archives/partial"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "status").touch()
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    lines = [f"deb {signed}{_mirror()} {suite} main\n" for suite in SUITES]
    (home / "sources.list").write_text("".join(lines))
    settings = {
        "Dir::Etc::sourcelist": home / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": home / "state",
        "Dir::State::status": home / "status",
        "Dir::Cache": home,
        "APT::Sandbox::User": "root",
    }
    options = tuple(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))
    subprocess.run(["apt-get", *options, "update", "--quiet"], check=False, stdout=sys.stderr)
    return options


def _mirror() -> str:
    """The address of the Debian archive that this machine already uses."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"]
    listed = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    archives = [
        uri for uri, component in map(str.split, listed) if component == "main" and uri.rstrip("/").endswith("/debian")
    ]
    if not archives:
        raise SystemExit(
            "this machine's apt knows no Debian archive: the corpora that come from Debian cannot be fetched"
        )
    return archives[0]
