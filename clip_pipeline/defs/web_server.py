"""Dagster's web server behind a guard, which answers this page's own requests and those of no other page.

`python -m clip_pipeline.defs.web_server …` takes what `dagster-webserver` takes, and the names that the page may be asked by from
`CLIP_PIPELINE_ALLOWED_HOSTS`, with commas between. The guard is in the same process, before all else: there is no second port.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from clip_pipeline.machine.page_guard import MAX_HEADER_BYTES, PageGuard, PageRules

ALLOWED_HOSTS = "CLIP_PIPELINE_ALLOWED_HOSTS"
QUERY_PATHS = ("/graphql",)
CLOSED_PATHS = ("/notebook", "/dagit/notebook")
"""Shows any notebook that an address names a file of; this package has none."""

MAX_MESSAGE_BYTES = 1024 * 1024
"""Of a WebSocket, which carries subscriptions."""


def page_rules(names: str, read_only: bool) -> PageRules:
    """names: as in the variable."""
    allowed = tuple(name.strip() for name in names.split(",") if name.strip())
    return PageRules(allowed, QUERY_PATHS, CLOSED_PATHS, read_only, changes_something)


def changes_something(body: bytes) -> bool:
    """Whether a GraphQL request holds a mutation, whichever operation it names; also where it cannot be understood."""
    from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

    try:
        document = parse(json.loads(body)["query"])
    except (ValueError, TypeError, KeyError, RecursionError, GraphQLError):
        return True
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return any(node.operation == OperationType.MUTATION for node in operations)


def serve(
    context: Any, host: str | None, port: int | None, prefix: str, log_level: str, poll_ms: int | None = None
) -> None:
    """Serves Dagster's page until it is ended, in the place of Dagster's own function of the same arguments.

    context: of the workspace. prefix: of the page's paths. poll_ms: between two looks of the page at live data.
    """
    import uvicorn
    from dagster_webserver.app import create_app_from_workspace_process_context

    app = create_app_from_workspace_process_context(context, prefix, poll_ms)
    uvicorn.run(
        PageGuard(app, page_rules(os.environ.get(ALLOWED_HOSTS, ""), context.read_only)),
        host=host or "127.0.0.1",
        port=port or 3000,
        log_level=log_level,
        http="h11",  # the other reader knows no limit to the length of a header
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws_max_size=MAX_MESSAGE_BYTES,
    )


if __name__ == "__main__":
    from dagster_webserver import cli

    cli.host_dagster_ui_with_workspace_process_context = serve  # type: ignore[assignment]  # its arguments, by place
    cli.dagster_webserver(sys.argv[1:], prog_name="dagster-webserver")
