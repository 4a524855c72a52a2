"""The search of the generated world: an Unsplash of its own on this machine."""

from __future__ import annotations

from typing import Any

from clip_pipeline.pipeline.photo_sources.searched import SearchedPhotos, SearchService
from clip_pipeline.pipeline.workspace import Hosts

SANDBOX_API = "http://api.sandbox.test"


class SandboxPhotos(SearchedPhotos):
    """Photos of the sandbox, which the workspace starts when it is first asked."""

    name = "sandbox"

    def query_config(self) -> dict[str, Any]:
        world = self.workspace.recipe.sandbox
        return super().query_config() | {"sandbox.seed": world.seed, "sandbox.photos": world.photos}

    def service(self) -> SearchService:
        from clip_pipeline.sandbox.server import SANDBOX_KEY

        return SearchService(SANDBOX_API, SANDBOX_KEY, self.hosts())

    def hosts(self) -> Hosts:
        return self.workspace.sandbox_hosts()

    def budget_key(self) -> str:
        """The sandbox of this run, each of which has an hour of its own."""
        return f"sandbox {self.workspace.opening}"

    def requests_per_hour(self) -> int:
        from clip_pipeline.sandbox.unsplash import REQUESTS_PER_HOUR

        return super().requests_per_hour() or REQUESTS_PER_HOUR
