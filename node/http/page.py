"""Serves the dashboard's files."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from tastemesh.node.dashboard import Asset


def page_routes(assets: dict[str, Asset]) -> list[HTTPRouteHandler]:
    """Return one route a file; there is no path to a file that is not among them."""
    return [_route(path, asset) for path, asset in assets.items()]


def _route(path: str, asset: Asset) -> HTTPRouteHandler:
    async def serve() -> Response[Any]:
        return Response(asset.content, headers={"content-type": asset.media_type})

    return get(path, include_in_schema=False, name=path)(serve)
