#!/usr/bin/env python3
"""Durable rotations of refresh tokens a second, with 1 to 512 clients at once: Portcullis on SQLite, beside Express with better-sqlite3.

Both have every core, and answer only when the new generation is on the disk (synchronous=FULL). Each client rotates its own token, again and
again. `--redis URL` adds Portcullis on a Redis store, for a version that has one.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import time

import fetch
import table
from client import crowd, timed
from house import House, sign_in
from place import WORK, Wrong, free_port, median, percentile, say
from process import Server, end_in_order

CLIENTS = [1, 8, 64, 512]
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


async def storm(port, tokens, clients, seconds):
    """Rotations a second, and the time each took."""
    numbers, times = iter(range(clients)), []
    deadline = time.monotonic() + seconds

    async def one(connection):
        number = next(numbers)
        while time.monotonic() < deadline:
            (status, answer), took = await timed(refresh(connection, tokens[number]))
            if status != 200:
                raise Wrong(f"a rotation was answered {status}: {answer}")
            tokens[number] = answer["refreshToken"]
            times.append(took)

    begun = time.monotonic()
    await crowd(port, clients, one)
    return {"per_second": len(times) / (time.monotonic() - begun), "p50_ms": percentile(times, 0.5) * 1e3,
            "p99_ms": percentile(times, 0.99) * 1e3}


def fsyncs_per_second(folder, seconds=1.0):
    """What one write after another, each of them on the disk, comes to on this disk."""
    file = folder / "fsync"
    count, begun = 0, time.monotonic()
    with open(file, "wb", buffering=0) as out:
        while time.monotonic() < begun + seconds:
            out.write(b"x" * 4096)
            os.fdatasync(out.fileno())
            count += 1
    file.unlink()
    return count / seconds


@contextlib.contextmanager
def portcullis(binary, name, url=None):
    house = House(name, binary, sorted(os.sched_getaffinity(0)), threads=0).configure(free_port())
    if url:
        file = house.folder / "gateway.toml"
        file.write_text(file.read_text() + f'\n[store]\nurl = "{url}"\n')
    house.empty()
    house.add_users(max(CLIENTS))
    with house.start():
        yield house.port, [one["refreshToken"] for one in sign_in(house.port, range(max(CLIENTS)))]


@contextlib.contextmanager
def express():
    folder = WORK / "stores/express"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    words = ["node", fetch.express() / "refresh.js", port, folder / "sessions.db"]
    env = {"SECRET": os.urandom(32).hex(), "NODE_ENV": "production"}
    with Server("express-refresh", words, sorted(os.sched_getaffinity(0)), env=env) as server:
        server.wait_until_listening(port)
        yield port, [one["refreshToken"] for one in sign_in(port, range(max(CLIENTS)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--redis", metavar="URL", help="an empty database that may be filled")
    parser.add_argument("--binary")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds = 1, 1
    end_in_order()
    binary = fetch.portcullis(chosen.binary)
    contenders = {"Portcullis, SQLite": portcullis(binary, "refresh"), "Express, better-sqlite3": express()}
    if chosen.redis:
        contenders["Portcullis, Redis"] = portcullis(binary, "refresh-redis", chosen.redis)
    rounds = []
    with contextlib.ExitStack() as within:
        running = {name: within.enter_context(one) for name, one in contenders.items()}
        for name, (port, tokens) in running.items():
            tokens[0] = asyncio.run(crowd(port, 1, lambda connection: check(connection, tokens[0])))[0]
            say(f"{name}: answers rightly")
        fsyncs = fsyncs_per_second(WORK)
        for number in range(chosen.rounds):
            for clients in CLIENTS:
                for name, (port, tokens) in running.items():
                    figures = asyncio.run(storm(port, tokens, clients, chosen.seconds))
                    rounds.append({"contender": name, "clients": clients, **figures})
                    say(f"round {number + 1}: {name}, {clients} clients: {figures['per_second']:.0f}/s")
    medians = {
        name: {clients: {key: median([one[key] for one in rounds if (one["contender"], one["clients"]) == (name, clients)])
                         for key in ("per_second", "p50_ms", "p99_ms")} for clients in CLIENTS}
        for name in contenders}
    whole = {"fdatasync_per_second": fsyncs, "medians": medians, "each_round": rounds}
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
    print(f"one fdatasync after another: {fsyncs:.0f}/s")


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"refresh: {wrong}")
    except KeyboardInterrupt:
        sys.exit(130)
