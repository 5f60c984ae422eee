#!/usr/bin/env python3
"""What the gateway keeps in memory for an idle connection, and on the disk for a session, in bytes.

Connections have each had a request answered and wait for the next.
Sessions are those of one user after another who signs in again, fewer for each than a user may have.
"""

import argparse
import asyncio
import contextlib
import json
import resource

import fetch
import table
import upstream
from client import Connection
from house import House, sign_in
from place import WORK, Wrong, ended, say
from process import Cores, end_in_order

USERS = 500


async def idle(port, token, count, before_closing):
    """Opens the connections one after another, has one request answered on each, and keeps them."""
    connections = [Connection(port) for _ in range(count)]
    for connection in connections:
        answer = await connection.ask("GET", "/", [("Authorization", f"Bearer {token}")])
        if answer.status != 200:
            raise Wrong(f"a request was answered {answer.status}")
    kept = before_closing()
    for connection in connections:
        connection.close()
    return kept


def on_disk(house):
    return sum(file.stat().st_size for file in house.folder.glob("portcullis.db*"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--binary")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    end_in_order()
    fetch.debian(nginx="nginx-light")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    cores = Cores(False)
    house = House("memory", fetch.portcullis(chosen.binary), cores.proxy)
    with contextlib.ExitStack() as within:
        house.configure(within.enter_context(upstream.running(cores.rest)))
        house.server(f"max_connections_per_ip = {chosen.connections + 200}")
        house.empty()
        house.add_users(USERS)
        with house.start() as server:
            token = sign_in(house.port, range(USERS))[0]["accessToken"]
            asyncio.run(idle(house.port, token, 100, lambda: None))
            say(f"{chosen.connections} connections")
            before = server.rss_kib()
            after = asyncio.run(idle(house.port, token, chosen.connections, server.rss_kib))
        # With the gateway stopped there is no write-ahead log.
        disk_before = on_disk(house)
        with house.start():
            say(f"{chosen.sessions} sessions")
            sign_in(house.port, (number % USERS for number in range(chosen.sessions)))
        disk_after = on_disk(house)
    figures = {"idle_connection": (after - before) * 1024 / chosen.connections,
               "session_on_disk": (disk_after - disk_before) / chosen.sessions}
    (WORK / "memory.json").write_text(json.dumps(figures, indent=2) + "\n")
    lines = [["", "bytes"], *([name.replace("_", " "), f"{value:.0f}"] for name, value in figures.items())]
    print(json.dumps(figures) if chosen.json else table.aligned(lines))


if __name__ == "__main__":
    ended(main)
