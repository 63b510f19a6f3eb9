"""TLS of the server: the context that a certificate and a key make, and how it is listened with."""

import ssl
from pathlib import Path
from typing import Any

from gateway.config import GatewayConfig
from gateway.failures import CONFIGURATION, MISSING, Failure

MS_PER_SECOND = 1_000


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


def tls_arguments(context: ssl.SSLContext | None, config: GatewayConfig) -> dict[str, Any]:
    """Return what `create_server` is told of TLS: by itself it gives a peer a minute for the handshake."""
    if context is None:
        return {}
    return {
        "ssl": context,
        "ssl_handshake_timeout": config.tls_handshake_ms / MS_PER_SECOND,
        "ssl_shutdown_timeout": config.close_timeout_ms / MS_PER_SECOND,
    }
