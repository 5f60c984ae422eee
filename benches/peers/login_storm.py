#!/usr/bin/env python3
"""Logins a second at the default cost of argon2id, and what a storm of them does to proxied requests beside it.

The bound is what argon2id allows on these cores: the gateway's own histogram says how long a hash takes while one user after another
signs in, before and after the storm, and the cores divided by that is the most there can be. A login that is told to come again (503) does. Those who sign in, the
upstream and the probe have the same cores: what is left of the bound is for the CPU time that they did not take.

The requests come on one connection, 100 a second, first quiet, then during the storm; between them come as many that go to the upstream
itself: what the storm does to those comes of sharing the cores with it, not of the way through the gateway.
"""

import argparse
import asyncio
import concurrent.futures
import contextlib
import functools
import json
import os
import re
import time
import urllib.request

import fetch
import table
import upstream
from client import Connection, timed
from house import DEFAULT, PASSWORD, House, email, sign_in
from place import WORK, Wrong, ended, percentile, say
from process import TICK_US, end_in_order

USERS, ONE_BY_ONE = 64, 20
JSON = [("Content-Type", "application/json")]


def probe(*how):
    """In a process of its own: who makes the storm has no time to look at the clock."""
    return asyncio.run(ask_at_pace(*how))


async def ask_at_pace(ports, token, seconds, pace=0.005):
    """How long a request to each of the ports takes; each is asked a hundred times a second."""
    connections, begun = {port: Connection(port) for port in ports}, time.monotonic()
    times = {port: [] for port in ports}
    while time.monotonic() < begun + seconds:
        for port, connection in connections.items():
            answer, took = await timed(connection.ask("GET", "/", [("Authorization", f"Bearer {token}")]))
            if answer.status != 200:
                raise Wrong(f"a request was answered {answer.status}")
            times[port].append(took)
            await asyncio.sleep(max(0, pace - took))
    for connection in connections.values():
        connection.close()
    return list(times.values())


async def sign_in_once(connection, number):
    """The status: 200, or 503 where there was no place."""
    body = json.dumps({"email": email(number % USERS), "password": PASSWORD, "client": "mobile"}).encode()
    answer = await connection.ask("POST", "/auth/login", JSON, body)
    if answer.status not in (200, 503):
        raise Wrong(f"a login was answered {answer.status}")
    return answer.status


async def sign_in_again_and_again(port, first, until, done):
    connection, number = Connection(port), first
    while not until.done():
        status = await sign_in_once(connection, number)
        done[status] = done.get(status, 0) + 1
        if status == 503:
            await asyncio.sleep(0.05)
        number += 1
    connection.close()


def by_others(server):
    """Seconds of CPU time that all but the gateway have taken so far, and that the machine's other guests have taken from all."""
    fields = [int(word) for word in open("/proc/stat").readline().split()[1:9]]
    idle = fields[3] + fields[4]
    return ((sum(fields) - idle) * TICK_US - sum(server.cpu_us())) / 1e6


async def measure(house, server, upstream_port, token, seconds, clients, prober):
    ports = [house.port, upstream_port]
    apart = functools.partial(asyncio.get_running_loop().run_in_executor, prober, probe, ports, token, seconds)
    quiet = await apart()
    alone = await hash_alone(house)
    before, begun, taken = hashing(house), time.monotonic(), by_others(server)
    over, done = asyncio.ensure_future(asyncio.sleep(seconds)), {}
    storm = [sign_in_again_and_again(house.port, number, over, done) for number in range(clients)]
    stormy, *_ = await asyncio.gather(apart(), *storm)
    took, after, taken = time.monotonic() - begun, hashing(house), by_others(server) - taken
    hashes, busy = after[0] - before[0], after[1] - before[1]
    # Before and after: the machine's pace is not the same all the time.
    alone = (alone + await hash_alone(house)) / 2
    bound, rate = len(house.cores) / alone, done.get(200, 0) / took
    left = (len(house.cores) - taken / took) / alone
    return {
        "logins_per_second": rate, "told_to_come_again": done.get(503, 0), "hash_ms": busy / hashes * 1e3,
        "hash_alone_ms": alone * 1e3,
        "bound_per_second": bound, "share_of_bound": rate / bound, "left_per_second": left, "share_of_what_is_left": rate / left,
        **latencies("", quiet[0], stormy[0]), **latencies("direct_", quiet[1], stormy[1]),
    }


def latencies(which, quiet, stormy):
    return {
        f"{which}quiet_p50_ms": percentile(quiet, 0.5) * 1e3, f"{which}quiet_p99_ms": percentile(quiet, 0.99) * 1e3,
        f"{which}storm_p50_ms": percentile(stormy, 0.5) * 1e3, f"{which}storm_p99_ms": percentile(stormy, 0.99) * 1e3,
        f"{which}p99_ratio": percentile(stormy, 0.99) / percentile(quiet, 0.99),
    }


async def hash_alone(house):
    """Seconds of a hash that nothing else runs beside."""
    before = hashing(house)
    connection = Connection(house.port)
    for number in range(ONE_BY_ONE):
        await sign_in_once(connection, number)
    connection.close()
    count, took = (after - earlier for after, earlier in zip(hashing(house), before))
    return took / count


def hashing(house):
    """(how many hashes, how many seconds they took) so far"""
    text = urllib.request.urlopen(f"http://127.0.0.1:{house.admin}/metrics").read().decode()
    found = [re.search(rf"^portcullis_password_hash_duration_seconds_{what} (\S+)$", text, re.M) for what in ("count", "sum")]
    if None in found:
        raise Wrong("/metrics does not say how long hashes took")
    return tuple(float(one[1]) for one in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=16, help="who sign in at once")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--binary")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seconds = 4
    end_in_order()
    fetch.debian(nginx="nginx-light")
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as within:
        port = within.enter_context(upstream.running(cores))
        house = House("storm", fetch.portcullis(chosen.binary), cores, cost=DEFAULT, threads=0).configure(port)
        house.empty()
        house.add_users(USERS)
        server = within.enter_context(house.start())
        token = sign_in(house.port, [0])[0]["accessToken"]
        say(f"quiet for {chosen.seconds:g} s, then a storm for as long")
        prober = within.enter_context(concurrent.futures.ProcessPoolExecutor(1))
        figures = asyncio.run(measure(house, server, port, token, chosen.seconds, chosen.clients, prober))
    (WORK / "login_storm.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures) if chosen.json else table.aligned([[key, f"{value:.2f}"] for key, value in figures.items()]))


if __name__ == "__main__":
    ended(main)
