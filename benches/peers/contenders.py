"""Who is measured, and how each is started: one worker, on the proxies' core, in front of the same upstream."""

import base64
import dataclasses
import pathlib
import signal

import fetch
from house import House
from place import HERE, WORK, configured, free_port
from process import Server

FLOOR, PEER, BARE = "nginx plain", "HAProxy HS256", "bare Pingora"


@dataclasses.dataclass
class Contender:
    name: str
    port: int
    # A file of access tokens, one a line; without authentication it is anyone's.
    tokens: pathlib.Path
    guards: bool = True
    server: Server | None = None
    # The gateway's access log: a line a request.
    access_log: pathlib.Path | None = None


class Line:
    """Makes the contenders. `within` is the ExitStack that ends them; `server` may be one that counts more than CPU time."""

    def __init__(self, within, cores, upstream, binary, users, server=Server, store="portcullis"):
        self.within, self.cores, self.upstream, self.server = within, cores, upstream, server
        binary = fetch.portcullis(binary)
        self.houses = {
            algorithm: House(f"{store}-{algorithm}", binary, cores.proxy, algorithm).configure(upstream)
            for algorithm in ("HS256", "EdDSA")
        }
        # The peers hold the same secret, and are asked with the very same tokens.
        self.tokens = {algorithm: house.tokens(users) for algorithm, house in self.houses.items()}
        self.secret = self.houses["HS256"].secret

    def all(self):
        """name: a function that starts it"""
        return {
            "direct": lambda: Contender("direct", self.upstream, self.tokens["HS256"], guards=False),
            FLOOR: self.nginx,
            PEER: lambda: self.haproxy("HS256", self.secret, self.tokens["HS256"]),
            "HAProxy ES256": lambda: self.haproxy("ES256", *self.signed_es256()),
            BARE: self.bare,
            "Portcullis HS256": lambda: self.portcullis("HS256"),
            "Portcullis EdDSA": lambda: self.portcullis("EdDSA"),
            "Envoy HS256": lambda: self.envoy("Envoy HS256", ""),
            "Envoy HS256 cached": lambda: self.envoy("Envoy HS256 cached", '"jwt_cache_config": {"jwt_cache_size": 20000},'),
            "Express string secret": lambda: self.express("Express string secret", "string"),
            "Express KeyObject": lambda: self.express("Express KeyObject", "key"),
        }

    def start(self, name, command, guards=True, tokens=None, **how):
        port = free_port()
        server = self.within.enter_context(self.server(name, command(port), self.cores.proxy, **how))
        server.wait_until_listening(port)
        return Contender(name, port, tokens or self.tokens["HS256"], guards, server)

    def bare(self):
        def command(port):
            return [fetch.bare(), f"127.0.0.1:{port}", f"127.0.0.1:{self.upstream}"]

        # On SIGTERM, Pingora waits for minutes.
        return self.start(BARE, command, guards=False, ends_by=signal.SIGINT)

    def portcullis(self, algorithm):
        house = self.houses[algorithm]
        server = self.within.enter_context(house.start(kind=self.server))
        return Contender(
            f"Portcullis {algorithm}", house.port, self.tokens[algorithm], server=server, access_log=server.log)

    def file(self, name, contents):
        file = WORK / "conf" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(contents)
        file.chmod(0o600)
        return file

    def nginx(self, master="on"):
        def command(port):
            text = configured("nginx.conf", port=port, upstream=self.upstream, folder=WORK / "conf", master=master)
            return [fetch.command("nginx"), "-c", self.file("nginx.conf", text)]

        return self.start(FLOOR, command, guards=False)

    def haproxy(self, algorithm, key, tokens):
        def command(port):
            text = configured("haproxy.cfg", port=port, upstream=self.upstream, algorithm=algorithm, key=key)
            return [fetch.command("haproxy"), "-db", "-f", self.file(f"haproxy-{algorithm}.cfg", text)]

        return self.start(f"HAProxy {algorithm}", command, tokens=tokens)

    def signed_es256(self):
        """The file of a public key, and one of the same users' tokens signed by it."""
        tokens, key = self.file("ES256/tokens", ""), self.file("ES256/key.pem", "")
        with open(self.tokens["HS256"]) as users, open(tokens, "w") as signed:
            fetch.run(["node", HERE / "sign.js", key], stdin=users, stdout=signed)
        return key, tokens

    def envoy(self, name, cache):
        key = base64.urlsafe_b64encode(self.secret.encode()).rstrip(b"=").decode()

        def command(port):
            text = configured("envoy.json", port=port, upstream=self.upstream, key=key, cache=cache)
            file = self.file(f"{name.replace(' ', '-')}.json", text)
            return [fetch.envoy(), "-c", file, "--concurrency", 1, "--disable-hot-restart", "--log-level", "error"]

        return self.start(name, command)

    def express(self, name, form):
        folder = fetch.express()
        env = {"SECRET": self.secret, "NODE_ENV": "production", "NODE_NO_WARNINGS": "1"}
        return self.start(name, lambda port: ["node", folder / "gate.js", port, self.upstream, form], env=env)
