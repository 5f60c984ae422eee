"""What every contender must answer before it is timed. Whoever answers otherwise is an error, never a row."""

import asyncio
import base64
import hashlib
import hmac
import json

from client import Connection
from place import Wrong


def claims(token):
    return json.loads(decode(token.split(".")[1]))


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def spoiled(token):
    """The same token with a signature that is wrong in its first byte."""
    message, _, signature = token.rpartition(".")
    damaged = bytearray(decode(signature))
    damaged[0] ^= 1
    return f"{message}.{encode(bytes(damaged))}"


def expired(token, secret):
    """An HS256 token of the same user that was over an hour ago, and is signed well."""
    header, payload = token.split(".")[0], claims(token)
    payload["exp"] -= payload["exp"] - payload["iat"] + 3600
    payload["iat"] = payload["exp"] - 900
    message = f"{header}.{encode(json.dumps(payload, separators=(',', ':')).encode())}"
    return f"{message}.{encode(hmac.digest(secret.encode(), message.encode(), hashlib.sha256))}"


async def answers_rightly(contender, secret):
    """Raises [`Wrong`] if it does not. Returns whether a refusal keeps the connection."""
    connection = Connection(contender.port)
    token = first_line(contender.tokens)

    async def expect(what, status, bearer, path="/", fields=()):
        held = [("Authorization", f"Bearer {bearer}")] if bearer else []
        answer = await connection.ask("GET", path, [*held, *fields])
        if answer.status != status:
            raise Wrong(f"{contender.name}: {what}: expected {status}, came {answer.status} {answer.body[:200]}")
        return answer

    await expect("a good token", 200, token)
    if not contender.guards:
        return None
    await expect("no token", 401, None)
    await expect("a bad signature", 401, spoiled(token))
    if contender.name.endswith(("EdDSA", "ES256")):
        # Nobody here holds the key that could sign one that is over. A token of another key serves for the check of the key instead.
        await expect("a signature by another algorithm", 401, expired(token, secret))
    else:
        await expect("an expired token", 401, expired(token, secret))
    claimed = [("X-User-Id", "somebody-else")]
    arrived = json.loads((await expect("what arrives", 200, token, "/echo", claimed)).body)
    told = [value for name, value in arrived if name == "x-user-id"]
    if told != [claims(token)["sub"]]:
        raise Wrong(f"{contender.name}: the app is told X-User-Id {told}, and not the token's sub alone")
    connection.close()
    before = connection.opened
    for _ in range(2):
        await expect("a bad signature", 401, spoiled(token))
    kept = connection.opened == before + 1
    connection.close()
    return kept


def first_line(file):
    with open(file) as lines:
        return lines.readline().strip()


def check(contender, secret):
    return asyncio.run(answers_rightly(contender, secret))
