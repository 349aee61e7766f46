"""The uvicorn server, and a check of its address before it starts."""

import asyncio
import errno

import uvicorn
from starlette.types import ASGIApp

from api.errors import ServingError
from api.overrides import BACKLOG, ClientConnection

GRACE = 30  # seconds that running requests have when the server stops


def check_address(host: str, port: int) -> None:
    """Raise ServingError if the server cannot listen at this address."""
    try:
        asyncio.run(bind(host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use"
        else:
            message = f"the server cannot listen at {host}, port {port}: {error.strerror}"
        raise ServingError(f"{message}: choose another with --port (or --host)") from None


async def bind(host: str, port: int) -> None:
    """Bind an address as uvicorn does, and release it. Raises OSError."""
    loop = asyncio.get_running_loop()
    (await loop.create_server(asyncio.Protocol, host, port, start_serving=False)).close()


def create_server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """Return a server of an application."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            backlog=BACKLOG,
            http=ClientConnection,
            ws="none",
            lifespan="on",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )
