"""What a transport speaks to once a connection is a WebSocket."""

from typing import Any

from ext.frames import FrameParser

class Tunnel:
    """An asyncio protocol: bytes go to a parser, everything else to the protocol that was there before."""

    def __init__(self, parser: FrameParser, before: Any) -> None: ...
    def data_received(self, data: bytes) -> None:
        """Pass on what was read."""
    def eof_received(self) -> bool | None:
        """Pass it on."""
    def connection_lost(self, error: BaseException | None) -> None:
        """Pass it on."""
    def pause_writing(self) -> None:
        """Pass it on."""
    def resume_writing(self) -> None:
        """Pass it on."""
