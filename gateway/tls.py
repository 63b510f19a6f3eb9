"""TLS of the server: the context that a certificate and a key make, and listening with a limit on the handshake."""

import asyncio
import ssl
from pathlib import Path

from aiohttp import web

from gateway.failures import CONFIGURATION, MISSING, Failure


def server_context(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """Return the context of two PEM files, or None when neither is given. TLS 1.2 is the least that is spoken.

    Raises:
        Failure: only one is given, a file cannot be read, or the two are not a certificate and its unencrypted key.

    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise Failure("TLS needs both tls_certificate and tls_key", CONFIGURATION)
    for path in (certificate, key):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise Failure(f"{path} cannot be read: {error.strerror}", MISSING) from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # A peer could have us do the dear half of a handshake over and over.
    try:
        # An encrypted key would have OpenSSL ask for its password on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        text = f"{certificate} and {key} are not a PEM certificate and its unencrypted key: {error}"
        raise Failure(text, CONFIGURATION) from error
    return context


class TlsSite(web.TCPSite):
    """aiohttp's site, which would give a peer a minute for the handshake, and half a minute to say goodbye."""

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, context: ssl.SSLContext, *, handshake_ms: int, close_ms: int
    ) -> None:
        super().__init__(runner, host, port, ssl_context=context, backlog=1024)
        self._handshake_s = handshake_ms / 1_000
        self._close_s = close_ms / 1_000

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=self._handshake_s,
            ssl_shutdown_timeout=self._close_s,
        )
