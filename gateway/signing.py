"""How requests over HTTP are signed: three headers, for client and server alike."""

import hashlib
import hmac

KEY, TIME, SIGNATURE = "X-Hourglass-Key", "X-Hourglass-Ts", "X-Hourglass-Signature"


def signature(secret: bytes, method: str, path: str, ts_us: int, body: bytes = b"") -> str:
    """Return what the header must hold; `path` is with its query, as it is sent."""
    return hmac.digest(secret, f"{method}{path}{ts_us}".encode() + body, hashlib.sha256).hex()
