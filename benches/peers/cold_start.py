#!/usr/bin/env python3
"""From exec to the first answered request, with many users in the store; and what the gateway then holds in memory.

The first request is that of a signed-in user through to the app. It is tried from the start on, so what is measured includes
the binding of the port. The file cache is warm.
"""

import argparse
import contextlib
import http.client
import json
import time

import fetch
import table
import upstream
from house import House, sign_in
from place import WORK, Wrong, ended, median, say
from process import Cores, Server, end_in_order


def first_answer(house, token):
    """(milliseconds, KiB)"""
    begun = time.perf_counter()
    with Server("cold start", [house.binary, "run"], house.cores, folder=house.folder) as server:
        while True:
            if time.perf_counter() > begun + 30:
                raise Wrong(f"no answer in 30 s; see {server.log}")
            with contextlib.suppress(ConnectionError):
                asked = http.client.HTTPConnection("127.0.0.1", house.port, timeout=10)
                asked.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
                answer = asked.getresponse()
                if answer.status != 200:
                    raise Wrong(f"the first request was answered {answer.status}")
                took = (time.perf_counter() - begun) * 1e3
                asked.close()
                return took, server.rss_kib()
            time.sleep(0.0005)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--binary")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds = 3
    end_in_order()
    fetch.debian(nginx="nginx-light")
    cores = Cores()
    with upstream.running(cores.rest) as port:
        house = House("cold", fetch.portcullis(chosen.binary), cores.proxy, threads=0).configure(port)
        note = house.folder / "users.json"
        if not note.exists() or json.loads(note.read_text()) != chosen.users:
            say(f"adding {chosen.users} users")
            note.unlink(missing_ok=True)
            house.empty()
            house.add_users(chosen.users)
            note.write_text(json.dumps(chosen.users))
        with house.start():
            token = sign_in(house.port, [0])[0]["accessToken"]
        runs = [first_answer(house, token) for _ in range(chosen.rounds)]
    took = [one for one, _ in runs]
    figures = {"users": chosen.users, "median_ms": median(took), "best_ms": min(took), "worst_ms": max(took),
               "idle_rss_kib": median([kib for _, kib in runs])}
    (WORK / "cold_start.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures) if chosen.json else table.aligned([[key, f"{value:.1f}"] for key, value in figures.items()]))


if __name__ == "__main__":
    ended(main)
