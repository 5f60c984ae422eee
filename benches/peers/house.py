"""A Portcullis with users who are signed in: its folder, its configuration, its store and their tokens.

The users come by `portcullis user import`, with a hash that is cheap to check, and sign in by HTTP. The store and the tokens
are kept between runs, for as long as the tokens live.
"""

import asyncio
import json
import os
import secrets
import subprocess
import time

from client import crowd
from place import WORK, Wrong, configured, free_port, say
from process import Server

PASSWORD = "a fine long sentence"
# The cheapest argon2id there is: signing in is not what is measured, where it is not.
CHEAP = ("8KiB", 1)
DEFAULT = ("19MiB", 2)
# No more than two cores have places for.
AT_ONCE = 8
DAY = 24 * 3600


class House:
    def __init__(self, name, binary, cores, algorithm="EdDSA", cost=CHEAP, threads=1):
        self.name, self.binary, self.cores = name, binary, cores
        self.algorithm, self.cost, self.threads = algorithm, cost, threads
        self.folder = WORK / "stores" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.admin = free_port(), free_port()
        env = self.folder / ".env"
        if not env.exists():
            env.write_text("".join(f"{kind}_TOKEN_SECRET={secrets.token_hex(32)}\n" for kind in ("ACCESS", "REFRESH")))
            env.chmod(0o600)
        self.secret = env.read_text().split()[0].partition("=")[2]

    def configure(self, upstream):
        chosen = "".join(f'{kind.lower()}_secret = "${{{kind}_TOKEN_SECRET}}"\n' for kind in ("ACCESS", "REFRESH"))
        memory, iterations = self.cost
        text = configured(
            "gateway.toml", port=self.port, admin=self.admin, threads=self.threads, algorithm=self.algorithm, memory=memory,
            iterations=iterations, upstream=upstream, secrets=chosen if self.algorithm == "HS256" else "")
        (self.folder / "gateway.toml").write_text(text)
        return self

    def server(self, line):
        """A line more in the section of that name."""
        file = self.folder / "gateway.toml"
        file.write_text(file.read_text().replace("[server]\n", f"[server]\n{line}\n", 1))

    def says(self, *words, stdin=""):
        done = subprocess.run([self.binary, *words], input=stdin, cwd=self.folder, text=True, capture_output=True, check=False)
        if done.returncode:
            raise Wrong(f"portcullis {' '.join(words)}: {done.stderr}")
        return done.stdout

    def start(self, **how):
        how.setdefault("log", self.folder / "portcullis.log")
        kind, cores = how.pop("kind", Server), how.pop("cores", self.cores)
        server = kind(self.name, [self.binary, "run"], cores, folder=self.folder, **how)
        return server.wait_until_listening(self.port)

    def empty(self):
        for file in self.folder.glob("portcullis.db*"):
            file.unlink()

    def add_users(self, count):
        """Users 0 to count - 1, all with the same password."""
        self.says("user", "add", email("template"), "--role", "user", "--password-stdin", stdin=PASSWORD)
        hashed = json.loads(self.says("user", "export").splitlines()[0])["passwordHash"]
        file = self.folder / "users.jsonl"
        with open(file, "w") as out:
            for number in range(count):
                out.write(json.dumps({"email": email(number), "passwordHash": hashed, "roles": ["user"]}) + "\n")
        self.says("user", "import", str(file))

    def tokens(self, count):
        """The path of a file with an access token a line, of `count` users who are signed in."""
        file, note = self.folder / "tokens", self.folder / "tokens.json"
        if note.exists():
            known = json.loads(note.read_text())
            if known["count"] == count and known["expires"] > time.time() + DAY:
                return file
        say(f"{self.name}: adding {count} users and signing them in")
        note.unlink(missing_ok=True)
        self.empty()
        self.add_users(count)
        with self.start(cores=sorted(os.sched_getaffinity(0))):
            signed_in = sign_in(self.port, range(count))
        file.write_text("".join(one["accessToken"] + "\n" for one in signed_in))
        note.write_text(json.dumps({"count": count, "expires": time.time() + signed_in[0]["expiresIn"]}))
        return file


def email(number):
    return f"user{number}@example.com"


def sign_in(port, numbers, told=True):
    """What a login answers, for each of them in order."""
    waiting = list(enumerate(numbers))[::-1]
    total, answers, last = len(waiting), {}, time.monotonic()

    async def one_after_another(connection):
        nonlocal last
        while waiting:
            place, number = waiting.pop()
            body = json.dumps({"email": email(number), "password": PASSWORD, "client": "mobile"}).encode()
            answer = await connection.ask("POST", "/auth/login", [("Content-Type", "application/json")], body)
            if answer.status == 503:
                waiting.append((place, number))
                await asyncio.sleep(0.01)
                continue
            if answer.status != 200:
                raise Wrong(f"a login was answered {answer.status}: {answer.body[:200]}")
            answers[place] = json.loads(answer.body)
            if told and time.monotonic() > last + 5:
                last = time.monotonic()
                say(f"  {len(answers)} of {total} are signed in")

    asyncio.run(crowd(port, AT_ONCE, one_after_another))
    return [answers[place] for place in range(total)]
