"""Names, numbers and layouts of the journal's files. The frames themselves are ext/journal's."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

FORMAT_VERSION = 1
SECTOR_BYTES = 512
SEGMENT_BYTES = 64 * 1024 * 1024
SEGMENT_SUFFIX = ".hgj"
SPARE_PATTERN = "spare-{}.tmp"

# What ext.journal.Verifier.scan tells of each good frame: FrameIndex of ext/journal.pxd.
FRAME = np.dtype(
    [
        ("offset", "<u8"), ("first_seq", "<u8"), ("ts_ns", "<i8"), ("durable_seq", "<u8"),
        ("magic", "<u4"), ("count", "<u4"), ("body_bytes", "<u4"), ("frame_bytes", "<u4"),
        ("term", "<u4"), ("unused", "<u4"), ("unused_2", "<u8"),
    ]
)  # fmt: skip
assert FRAME.itemsize == 64

_SEGMENT_BODY = struct.Struct("<IIQII16s48s")


class SegmentHeader(NamedTuple):
    """Body of a segment's first frame. Sequence number and chain at the start are in the frame's own header."""

    segment_bytes: int
    salt: int
    shard: int
    instance: bytes  # 16 random bytes, the same in every segment of one journal
    build: str
    block_bytes: int = SECTOR_BYTES
    version: int = FORMAT_VERSION

    def pack(self) -> bytes:
        """Return the 88 bytes on disk."""
        build = self.build.encode()[:48]
        return _SEGMENT_BODY.pack(
            self.version, self.block_bytes, self.segment_bytes, self.salt, self.shard, self.instance, build
        )

    @classmethod
    def unpack(cls, body: bytes) -> "SegmentHeader":
        """Read what `pack` wrote; ValueError when it is not of this format."""
        if len(body) != _SEGMENT_BODY.size:
            raise ValueError(f"the segment header must be {_SEGMENT_BODY.size} bytes, was {len(body)}")
        version, block_bytes, segment_bytes, salt, shard, instance, build = _SEGMENT_BODY.unpack(body)
        if version != FORMAT_VERSION:
            raise ValueError(f"the format version must be {FORMAT_VERSION}, was {version}")
        build_text = build.rstrip(b"\0").decode(errors="replace")
        return cls(segment_bytes, salt, shard, instance, build_text, block_bytes, version)


def frame_bytes(body_bytes: int, block_bytes: int) -> int:
    """Return the size on disk of a frame: header 64, body, padding, trailer 8, in whole blocks."""
    return -(-(64 + body_bytes + 8) // block_bytes) * block_bytes


def segment_path(directory: Path, first_seq: int) -> Path:
    """Return the path of the segment that begins with ``first_seq``."""
    return directory / f"{first_seq:020d}{SEGMENT_SUFFIX}"


def segment_paths(directory: Path) -> list[Path]:
    """Return the segments of a directory, oldest first."""
    return sorted(directory.glob(f"*{SEGMENT_SUFFIX}"))
