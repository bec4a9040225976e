"""DashboardService: the files of the web dashboard.

Tested in tests/web/test_assets.py.
"""

import asyncio
from pathlib import Path

from google.api import httpbody_pb2

from limedb.rpc.server.assets import BUILD, read_asset
from limedb.rpc.server.behaviour import Context
from limedbpb.v1 import dashboard_pb2, dashboard_pb2_grpc


class DashboardServicer(dashboard_pb2_grpc.DashboardServiceServicer):
    """Serves files. build: the folder of the build."""

    service = dashboard_pb2.DESCRIPTOR.services_by_name["DashboardService"]

    def __init__(self, build: Path = BUILD) -> None:
        self._build = build

    async def GetAsset(
        self, request: dashboard_pb2.GetAssetRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        """Through Envoy, the metadata become headers."""
        asset = await asyncio.to_thread(read_asset, self._build, request.path)
        await context.send_initial_metadata((("cache-control", asset.cache), ("etag", asset.tag)))
        return httpbody_pb2.HttpBody(content_type=asset.content_type, data=asset.content)
