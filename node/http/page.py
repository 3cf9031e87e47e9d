"""Serves the dashboard's files."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tastemesh.node.dashboard import Asset
from tastemesh.node.http.answering import Reading


def page_routes(assets: dict[str, Asset]) -> list[Route]:
    """Return one route a file; there is no path to a file that is not among them."""
    return [_route(path, asset) for path, asset in assets.items()]


def _route(path: str, asset: Asset) -> Route:
    async def serve(_: Request) -> Response:
        return Response(asset.content, media_type=asset.media_type)

    return Route(path, Reading(serve))
