"""The web service: pages made on the server, no script, forms that only its own pages may send."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

import tastemesh
from examples.music_app import accounts
from examples.music_app.accounts import COOKIE, Refused
from examples.music_app.catalogue import TRACKS
from examples.music_app.database import Database, Track, User
from examples.music_app.sample import settle_in
from examples.music_app.taste import Taste
from tastemesh.errors import UsageError

HERE = Path(__file__).parent
TOKEN_VARIABLE = "MUSIC_APP_TASTE_TOKEN"  # noqa: S105 (a name)

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FORM_BYTES = 8 * 1024
_SHOWN = 60  # lines of a search


def create_app(
    folder: Path,
    brokers: tuple[str, ...] = (),
    *,
    with_sample: bool = False,
    is_https: bool = False,
) -> FastAPI:
    """Return the service.

    Args:
        folder: where its database and its node live.
        brokers: where the node meets others; none: the embedded broker of this machine.
        with_sample: make some people to endorse.
        is_https: whether browsers reach it over https, so that cookies go over nothing else.
    """
    pages = Jinja2Templates(HERE / "templates")
    node = tastemesh.open_node(tastemesh.NodeConfig(home=folder / "node", brokers=brokers))
    database = Database(folder / "music.sqlite3")
    taste = Taste(node, database)

    @asynccontextmanager
    async def open_all(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        async with database, node:
            await database.add_tracks(TRACKS)
            if with_sample:
                await settle_in(database, taste)
            yield

    app = FastAPI(lifespan=open_all, openapi_url=None)
    app.state.node = node
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    token = os.environ.get(TOKEN_VARIABLE)
    if token:  # the node's own API, for the service's other programs
        app.mount("/taste", tastemesh.asgi_app(node, token=token))

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        """Refuse forms that another site's page sends, and send the headers."""
        if request.method != "GET" and not request.url.path.startswith("/taste/"):
            origin = request.headers.get("origin", "")
            if origin.partition("://")[2] != request.headers.get("host"):
                return Response("This form came from another site.", 403, _HEADERS)
        answered = await answer(request)
        for name, value in _HEADERS.items():
            answered.headers.setdefault(name, value)
        return answered

    @app.exception_handler(Refused)
    async def refused(request: Request, fault: Refused) -> Response:
        return await page(request, "refused.html", status=fault.status, text=str(fault))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, fault: HTTPException) -> Response:
        """Show a page that there is not as a page; FastAPI's own answer is for programs."""
        text = "There is no such page." if fault.status_code == 404 else f"{fault.detail}."
        answer = await page(request, "refused.html", status=fault.status_code, text=text)
        answer.headers.update(fault.headers or {})
        return answer

    @app.exception_handler(UsageError)
    async def wrong(request: Request, fault: UsageError) -> Response:
        return await page(request, "refused.html", status=400, text=str(fault))

    async def page(request: Request, name: str, *, status: int = 200, **told: Any) -> Response:
        told.setdefault("user", await visitor(request))
        return pages.TemplateResponse(request, name, told, status_code=status)

    async def visitor(request: Request) -> User | None:
        return await accounts.whose(database, request.cookies.get(COOKIE, ""))

    async def member(request: Request) -> User:
        user = await visitor(request)
        if user is None:
            raise Refused("Log in first.", 403)
        return user

    async def chosen(fields: dict[str, str]) -> Track:
        number = fields.get("track", "")
        track = (
            await database.track(int(number)) if number.isdecimal() and len(number) < 10 else None
        )
        if track is None:
            raise Refused("There is no such track.", 404)
        return track

    async def let_in(user_id: int) -> Response:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            await accounts.begin(database, user_id),
            max_age=accounts.SESSION_S,
            httponly=True,
            samesite="lax",
            secure=is_https,
        )
        return answer

    # --- pages -----------------------------------------------------------------------------

    @app.get("/")
    async def home(request: Request) -> Response:
        user = await visitor(request)
        if user is None:
            return await page(request, "welcome.html", user=None)
        return await page(
            request,
            "for_you.html",
            user=user,
            lines=await taste.for_you(user),
            recent=await database.recent(user.id, 10),
            friend_count=len(await database.friends(user.id)),
        )

    @app.get("/tracks")
    async def tracks(request: Request, q: str = "") -> Response:
        user = await member(request)
        found = await database.search(q[:100], _SHOWN)
        return await page(request, "tracks.html", user=user, tracks=found, wanted=q[:100])

    @app.get("/people")
    async def people(request: Request, q: str = "") -> Response:
        user = await member(request)
        friends = await database.friends(user.id)
        names = await database.names(friends)
        found = [each for each in await database.people(q[:100], _SHOWN) if each.id != user.id]
        return await page(
            request,
            "people.html",
            user=user,
            friends=[(each, names.get(each, "")) for each in friends],
            people=[each for each in found if each.taste_id not in friends],
            wanted=q[:100],
        )

    # --- forms -----------------------------------------------------------------------------

    @app.post("/sign-up")
    async def sign_up(request: Request) -> Response:
        fields = await form(request)
        user_id = await accounts.sign_up(
            database, fields.get("name", "").strip(), fields.get("password", "")
        )
        await taste.welcome(user_id)
        return await let_in(user_id)

    @app.post("/log-in")
    async def log_in(request: Request) -> Response:
        fields = await form(request)
        user = await accounts.log_in(
            database, fields.get("name", "").strip(), fields.get("password", "")
        )
        return await let_in(user.id)

    @app.post("/log-out")
    async def log_out(request: Request) -> Response:
        await accounts.end(database, request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    @app.post("/play")
    async def play(request: Request) -> Response:
        user, fields = await member(request), await form(request)
        track = await chosen(fields)
        await database.add_play(user.id, track.id, accounts.now_s())
        await taste.play(user, track)
        return back(fields)

    @app.post("/not-for-me")
    async def not_for_me(request: Request) -> Response:
        user, fields = await member(request), await form(request)
        await taste.play(user, await chosen(fields), "dislike")
        return back(fields)

    @app.post("/endorse")
    async def endorse(request: Request) -> Response:
        user, fields = await member(request), await form(request)
        await taste.endorse(user, fields.get("id", "").strip())
        return back(fields)

    @app.post("/withdraw")
    async def withdraw(request: Request) -> Response:
        user, fields = await member(request), await form(request)
        await taste.withdraw(user, fields.get("id", "").strip())
        return back(fields)

    @app.post("/privacy")
    async def privacy(request: Request) -> Response:
        user, fields = await member(request), await form(request)
        await database.set_private(user.id, fields.get("private") == "yes")
        return back(fields)

    @app.post("/leave")
    async def leave(request: Request) -> Response:
        """Take everything back, then delete the account."""
        user = await member(request)
        await taste.forget(user)
        await database.remove_user(user.id)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    return app


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        Refused: it is too large, or no form.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _FORM_BYTES:
            raise Refused("The form is too large.", 413)
    try:
        return dict(parse_qsl(content.decode(), max_num_fields=20, errors="strict"))
    except ValueError:
        raise Refused("The form cannot be read.") from None


def back(fields: dict[str, str]) -> Response:
    """Return to the page that a form was on."""
    page, _, query = fields.get("back", "").partition("?q=")
    known = page if page in ("/tracks", "/people") else "/"
    return RedirectResponse(f"{known}?q={quote(query)}" if query else known, 303)
