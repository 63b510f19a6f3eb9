# cython: boundscheck=False, wraparound=False, cdivision=True
"""What a transport speaks to once a connection is a WebSocket."""

from ext.frames cimport FrameParser


cdef class Tunnel:
    """An asyncio protocol: bytes go to a parser, everything else to the protocol that was there before.

    In Cython, and in between nothing: what it takes to pass on a read is paid for every read.
    """

    cdef FrameParser parser
    cdef object before

    def __init__(self, FrameParser parser not None, object before):
        self.parser = parser
        self.before = before

    def data_received(self, bytes data):
        """Pass on what was read."""
        self.parser.feed_data(data)

    def eof_received(self):
        """Pass it on."""
        return self.before.eof_received()

    def connection_lost(self, error):
        """Pass it on."""
        self.before.connection_lost(error)

    def pause_writing(self):
        """Pass it on."""
        self.before.pause_writing()

    def resume_writing(self):
        """Pass it on, to the parser too: what it has held back can go now."""
        self.before.resume_writing()
        self.parser.drained()
