#!/usr/bin/env python3
"""Durable rotations of refresh tokens a second, with 1 to 512 clients at once: Portcullis on SQLite, beside Express with better-sqlite3.

Both have every core, and answer only when the new generation is on the disk (synchronous=FULL). Each client rotates its own
token, again and again. `--redis URL` adds Portcullis on a Redis store. `--slower MS` holds up each fsync of either by so much, on a machine
whose disk is faster than those that others have.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys

import fetch
import table
from client import crowd
from house import House, sign_in
from place import HERE, WORK, Wrong, ended, free_port, median, say
from process import Server, end_in_order
from rotations import storm

CLIENTS = [1, 8, 64, 512]
# By then both write-ahead logs have been used once and are written over: while one grows, each commit costs several times as much.
WARM = 4000
JSON = [("Content-Type", "application/json")]


async def refresh(connection, token):
    answer = await connection.ask("POST", "/auth/refresh", JSON, json.dumps({"refreshToken": token}).encode())
    return answer.status, json.loads(answer.body)


async def check(connection, token):
    """A token gives another one; that one works; what nobody issued does not."""
    status, first = await refresh(connection, token)
    if status != 200 or first["refreshToken"] == token:
        raise Wrong(f"a good refresh token was answered {status}")
    status, second = await refresh(connection, first["refreshToken"])
    if status != 200:
        raise Wrong(f"the token that came of it was answered {status}")
    if (await refresh(connection, "a" + second["refreshToken"][1:]))[0] != 401:
        raise Wrong("a damaged token was not refused")
    return second["refreshToken"]


def slower_disk(ms):
    """What stands in the environment of a program so that each fsync of it takes that much longer."""
    return {"LD_PRELOAD": str(fetch.slow_disk()), "SLOWER_US": str(round(ms * 1000))} if ms else {}


def fsyncs_per_second(env):
    """What one page after another, each of them on the disk before the next, comes to here."""
    words = [sys.executable, HERE / "fsync.py", WORK]
    done = subprocess.run(words, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"fsync cannot be timed: {done.stderr}")
    return float(done.stdout)


@contextlib.contextmanager
def portcullis(binary, name, url=None, env=None):
    house = House(name, binary, sorted(os.sched_getaffinity(0)), threads=0).configure(free_port())
    if url:
        file = house.folder / "gateway.toml"
        file.write_text(file.read_text() + f'\n[store]\nurl = "{url}"\n')
    house.empty()
    house.add_users(max(CLIENTS))
    with house.start(env=env):
        yield house.port, [one["refreshToken"] for one in sign_in(house.port, range(max(CLIENTS)))]


@contextlib.contextmanager
def express(env):
    folder = WORK / "stores/express"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    words = ["node", fetch.express() / "refresh.js", port, folder / "sessions.db"]
    env = {**env, "SECRET": os.urandom(32).hex(), "NODE_ENV": "production"}
    with Server("express-refresh", words, sorted(os.sched_getaffinity(0)), env=env) as server:
        server.wait_until_listening(port)
        yield port, [one["refreshToken"] for one in sign_in(port, range(max(CLIENTS)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--redis", metavar="URL", help="an empty database that may be filled")
    parser.add_argument("--slower", type=float, default=0, metavar="MS", help="each fsync by so many milliseconds")
    parser.add_argument("--binary")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.slower and chosen.redis:
        parser.error("--slower holds up a server's own disk; that of Redis is elsewhere")
    if chosen.quick:
        chosen.rounds, chosen.seconds = 1, 1
    end_in_order()
    binary = fetch.portcullis(chosen.binary)
    disk = slower_disk(chosen.slower)
    contenders = {"Portcullis, SQLite": portcullis(binary, "refresh", env=disk), "Express, better-sqlite3": express(disk)}
    if chosen.redis:
        contenders["Portcullis, Redis"] = portcullis(binary, "refresh-redis", chosen.redis)
    rounds = []
    with contextlib.ExitStack() as within:
        running = {name: within.enter_context(one) for name, one in contenders.items()}
        for name, (port, tokens) in running.items():
            tokens[0] = asyncio.run(crowd(port, 1, lambda connection: check(connection, tokens[0])))[0]
            say(f"{name}: answers rightly; warming up")
            storm(port, tokens, 64, 60, most=WARM)
        fsyncs = fsyncs_per_second(disk)
        for number in range(chosen.rounds):
            for clients in CLIENTS:
                for name, (port, tokens) in running.items():
                    figures = storm(port, tokens, clients, chosen.seconds)
                    rounds.append({"contender": name, "clients": clients, **figures})
                    say(f"round {number + 1}: {name}, {clients} clients: {figures['per_second']:.0f}/s")
    medians = {
        name: {clients: {key: median([one[key] for one in rounds if (one["contender"], one["clients"]) == (name, clients)])
                         for key in ("per_second", "p50_ms", "p99_ms")} for clients in CLIENTS}
        for name in contenders}
    whole = {"fsyncs_per_second": fsyncs, "slower_ms": chosen.slower, "medians": medians, "each_round": rounds}
    (WORK / "refresh.json").write_text(json.dumps(whole, indent=2) + "\n")
    if chosen.json:
        print(json.dumps(whole))
        return
    lines = [["", "clients", "rotations/s", "× one fsync's rate", "p50 ms", "p99 ms"]]
    for name, by_clients in medians.items():
        for clients, row in by_clients.items():
            lines.append([name, str(clients), f"{row['per_second']:.0f}", f"{row['per_second'] / fsyncs:.1f}",
                          f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}"])
    print(table.aligned(lines))
    print(f"one fsync after another: {fsyncs:.0f}/s")


if __name__ == "__main__":
    ended(main)
