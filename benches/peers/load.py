"""One timed run: wrk asks, and the proxy's CPU time is read before and after."""

import json
import os
import subprocess

from checks import first_line, spoiled
from fetch import command
from place import HERE, WORK, Wrong
from process import Cores


class Scene:
    """How it is asked: by how many connections, with whose tokens, and what the answer must be."""

    def __init__(self, name, connections, one_token=False, refused=False):
        self.name, self.connections, self.one_token, self.refused = name, connections, one_token, refused

    def takes(self, contender):
        return contender.guards or not self.refused

    def tokens(self, contender):
        """The file of tokens for it."""
        if not self.one_token and not self.refused:
            return contender.tokens
        file = WORK / "tokens" / f"{self.name} {contender.tokens.parent.name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if self.one_token:
            file.write_text(first_line(contender.tokens) + "\n")
        else:
            file.write_text("".join(spoiled(token) + "\n" for token in contender.tokens.read_text().split()))
        return file


SCENES = [
    Scene("64 connections", 64),
    Scene("64 connections, one token", 64, one_token=True),
    Scene("1 connection", 1),
    Scene("bad signatures", 64, refused=True),
]


def run(contender, scene, tokens, seconds, cores):
    """The figures of one run; raises [`Wrong`] if a single answer was not what it must be."""
    if contender.access_log:
        os.truncate(contender.access_log, 0)
    before = contender.server.cpu_us() if contender.server else None
    words = [command("wrk"), "-t1", f"-c{scene.connections}", f"-d{seconds}s", "--timeout", "20s", "-s", HERE / "rotation.lua",
             f"http://127.0.0.1:{contender.port}", "--", tokens]
    done = subprocess.run(Cores.on(cores.rest, words), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"wrk: {done.stderr}")
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    count = seen["requests"]
    if not count or seen["broken"] or seen["refused"] != (count if scene.refused else 0):
        raise Wrong(f"{contender.name}, {scene.name}: {seen}; its log is {contender.server and contender.server.log}")
    figures = {"requests": count, "per_second": count * 1e6 / seen["us"], "p50_us": seen["p50_us"], "p99_us": seen["p99_us"]}
    if before:
        after = contender.server.cpu_us()
        user, system = ((b - a) / count for a, b in zip(before, after))
        figures |= {"user_us": user, "system_us": system, "cpu_us": user + system, "rss_kib": contender.server.rss_kib()}
    if contender.access_log:
        with open(contender.access_log, "rb") as log:
            figures["log_lines_per_request"] = sum(block.count(b"\n") for block in iter(lambda: log.read(1 << 20), b"")) / count
    return figures
