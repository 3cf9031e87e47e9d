"""Sign-up, login and sessions: passwords as scrypt hashes, cookies as random tokens."""

import asyncio
import hashlib
import re
import secrets
import time
from hmac import compare_digest

from examples.music_app.database import Database, User

SESSION_S = 30 * 24 * 3600
COOKIE = "session"

# scrypt with 16 MiB a hash: OWASP's password storage cheat sheet, the row N = 2^14, r = 8, p = 5.
_COST = {"n": 2**14, "r": 8, "p": 5, "dklen": 32}
_FAILURES = 10  # wrong passwords for one name in FAILURE_S, then nobody gets in for a while
_FAILURE_S = 15 * 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,29}")
_PASSWORD_CHARS = (8, 200)


class Refused(Exception):  # noqa: N818 (a person reads it, on a page)
    """What was asked cannot be done.

    Args:
        text: what was wrong and what was expected.
        status: of HTTP.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


async def sign_up(database: Database, name: str, password: str) -> int:
    """Make an account; return its number.

    Raises:
        Refused: the name or the password will not do.
    """
    if not _NAME.fullmatch(name):
        raise Refused("A name has 1 to 30 letters, digits, spaces, dots, - or _.")
    low, high = _PASSWORD_CHARS
    if not low <= len(password) <= high:
        raise Refused(f"A password has {low} to {high} characters.")
    salt = secrets.token_bytes(16)
    user_id = await database.add_user(name, salt, await _hashed(password, salt))
    if user_id is None:
        raise Refused(f"The name {name} is taken.", 409)
    return user_id


async def log_in(database: Database, name: str, password: str) -> User:
    """Return the account that a name and a password open.

    Raises:
        Refused: they open none, or were tried too often.
    """
    at_s = now_s()
    if await database.failure_count(name, at_s - _FAILURE_S) >= _FAILURES:
        raise Refused("Too many wrong passwords; try again in a quarter of an hour.", 429)
    user = await database.user_named(name)
    salt = user.salt if user else b"nobody of this name"  # takes as long: names stay unknown
    hashed = await _hashed(password[: _PASSWORD_CHARS[1]], salt)
    if user is None or not compare_digest(hashed, user.password):
        await database.note_failure(name, at_s)
        raise Refused("This name and password do not belong together.", 403)
    return user


async def begin(database: Database, user_id: int) -> str:
    """Begin a session; return what the cookie says."""
    token = secrets.token_urlsafe(32)
    at_s = now_s()
    await database.begin_session(_digest(token), user_id, at_s + SESSION_S, at_s)
    return token


async def whose(database: Database, token: str) -> User | None:
    """Return whose session a cookie is of."""
    return await database.user_of_session(_digest(token), now_s()) if token else None


async def end(database: Database, token: str) -> None:
    """End the session of a cookie."""
    await database.end_session(_digest(token))


async def _hashed(password: str, salt: bytes) -> bytes:
    return await asyncio.to_thread(hashlib.scrypt, password.encode(), salt=salt, **_COST)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def now_s() -> int:
    """Return the wall clock, seconds since 1970."""
    return int(time.time())  # noqa: TID251 (a service has a clock)
