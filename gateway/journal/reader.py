"""Reads a journal frame by frame and checks every byte of it. Never changes a file."""

import mmap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from exchange.replay import Frame
from ext.journal import Magic, Stop, Verifier
from gateway.journal.errors import JournalDamaged, JournalMissing
from gateway.journal.layout import FRAME, SECTOR_BYTES, SegmentHeader, segment_path, segment_paths
from gateway.journal.recovery import REASONS, Tail, judge

FIRST_FRAME_REASONS = {
    Stop.ZERO: "the segment header is missing",
    Stop.SEQUENCE: "a segment before this one is missing",
}

FRAMES_AHEAD = 256  # Checked at a time, while the chunk before is used.
LIVE_CHANCES = 2
LIVE_PAUSE_S = 0.02

_COLUMNS = ("offset", "first_seq", "ts_ns", "magic", "count", "body_bytes")
_BATCH = int(Magic.BATCH)
_HASH = int(Magic.HASH)
_SEGMENT = int(Magic.SEGMENT)


class Reader:
    """One pass over the segments of a directory.

    After the last frame, `tail` says where the journal ends and `header` what its last segment is. Reading from the
    middle begins at the segment that holds ``from_seq`` and takes that segment's word for the chain before it. A
    ``live`` reader, beside a writer, may meet a half-written frame, and looks twice before it calls that damage.

    Raises:
        JournalMissing: there is no segment.
        JournalDamaged: at construction or while iterating.

    """

    def __init__(self, directory: Path | str, from_seq: int = 1, *, live: bool = False) -> None:
        self.directory = Path(directory)
        self.from_seq = from_seq
        self._chances = LIVE_CHANCES if live else 1
        self.tail: Tail | None = None
        self.header: SegmentHeader | None = None
        paths = segment_paths(self.directory)
        if not paths:
            raise JournalMissing(f"{self.directory} holds no journal")
        for path in paths:
            if path != segment_path(self.directory, _first_seq(path)):
                raise JournalDamaged(path, 0, "the file's name must be its first sequence number in 20 digits")
        start = max((at for at, path in enumerate(paths) if _first_seq(path) <= from_seq), default=0)
        self._paths = paths[start:]
        self.verifier = _verifier_from(paths[start]) if start else Verifier()

    def __iter__(self) -> Iterator[Frame]:
        for path in self._paths:
            yield from self._segment(path, is_last=path == self._paths[-1])

    def arrays(self) -> Iterator[tuple[np.ndarray, memoryview]]:
        """Return pairs (frames as an array of FRAME, bytes of their segment), a few thousand frames at a time.

        ``body_bytes`` of a frame begin 64 bytes after its ``offset``.
        """
        for path in self._paths:
            yield from self._indexes(path, is_last=path == self._paths[-1])

    def _segment(self, path: Path, *, is_last: bool) -> Iterator[Frame]:
        for index, view in self._indexes(path, is_last=is_last):
            columns = [index[name].tolist() for name in _COLUMNS]
            for offset, first_seq, ts_ns, magic, count, body_bytes in zip(*columns, strict=True):
                if first_seq + max(count, 1) <= self.from_seq:
                    continue
                body = view[offset + 64 : offset + 64 + body_bytes]
                if magic == _BATCH:
                    yield Frame(first_seq, ts_ns, count, body)
                elif magic == _HASH:
                    yield Frame(first_seq, ts_ns, 0, b"", bytes(body).hex())

    def _indexes(self, path: Path, *, is_last: bool) -> Iterator[tuple[np.ndarray, memoryview]]:
        data, offset = self._open(path)
        chances = self._chances if is_last else 1
        with ThreadPoolExecutor(1, "journal-verify") as ahead:
            yield from self._checked(path, data, offset, chances, ahead, is_last=is_last)

    def _checked(
        self, path: Path, data: mmap.mmap, offset: int, chances: int, ahead: ThreadPoolExecutor, *, is_last: bool
    ) -> Iterator[tuple[np.ndarray, memoryview]]:
        """Yield chunks of checked frames; while one is used, the next is being checked without the interpreter."""
        view = memoryview(data)
        checking = ahead.submit(self.verifier.scan, data, offset, FRAMES_AHEAD)
        while self.tail is None or self.tail.segment != path:
            index, offset, stop = checking.result()
            if stop == Stop.MORE:
                checking = ahead.submit(self.verifier.scan, data, offset, FRAMES_AHEAD)
            frames = np.frombuffer(index, FRAME)
            if (frames["magic"] == _SEGMENT).any():
                at = int(frames["offset"][frames["magic"] == _SEGMENT][0])
                raise JournalDamaged(path, at, "a segment header stands in the middle of a segment")
            if len(frames):
                yield frames, view
            if stop != Stop.MORE:
                chances -= 1
                self.tail = self._judge(path, data, offset, stop, is_last=is_last, is_final=chances == 0)
                if self.tail is None:
                    checking = ahead.submit(self.verifier.scan, data, offset, FRAMES_AHEAD)

    def _judge(
        self, path: Path, data: mmap.mmap, offset: int, stop: int, *, is_last: bool, is_final: bool
    ) -> Tail | None:
        """Judge a stop; None to look again, because a writer may be in the middle of the frame that was looked at."""
        try:
            return judge(path, data, offset, stop, self.verifier, is_last=is_last)
        except JournalDamaged:
            if is_final:
                raise
            time.sleep(LIVE_PAUSE_S)
            return None

    def _open(self, path: Path) -> tuple[mmap.mmap, int]:
        """Map a segment and check its first frame; returns the offset of the second."""
        data = _map(path)
        self.verifier.salt, self.verifier.block_bytes = 0, _block_bytes(data)
        index, offset, stop = self.verifier.scan(data, 0, 1)
        if not index:
            reason = FIRST_FRAME_REASONS.get(Stop(stop)) or REASONS[Stop(stop)]
            raise JournalDamaged(path, 0, reason, expected=self.verifier.expected, found=self.verifier.found)
        frame = np.frombuffer(index, FRAME)[0]
        if int(frame["magic"]) != _SEGMENT:
            raise JournalDamaged(path, 0, "the first frame of a segment must be its header")
        header = _segment_header(path, bytes(data[64 : 64 + int(frame["body_bytes"])]))
        self._check_header(path, header, len(data), int(frame["first_seq"]))
        self.verifier.salt, self.verifier.block_bytes = header.salt, header.block_bytes
        self.header = header
        return data, offset

    def _check_header(self, path: Path, header: SegmentHeader, size: int, first_seq: int) -> None:
        if size != header.segment_bytes:
            raise JournalDamaged(
                path, min(size, header.segment_bytes), "the file was cut or lengthened",
                expected=f"{header.segment_bytes} bytes", found=f"{size} bytes",
            )  # fmt: skip
        if _first_seq(path) != first_seq:
            raise JournalDamaged(path, 0, "the file was renamed", expected=first_seq, found=_first_seq(path))
        before = self.header
        if before is not None and (before.instance, before.shard) != (header.instance, header.shard):
            raise JournalDamaged(
                path, 0, "the segment belongs to another journal",
                expected=before.instance.hex(), found=header.instance.hex(),
            )  # fmt: skip


def _first_seq(path: Path) -> int:
    if not path.stem.isdecimal():
        raise JournalDamaged(path, 0, "the file's name must be its first sequence number in 20 digits")
    return int(path.stem)


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        if file.seek(0, 2) < SECTOR_BYTES:
            raise JournalDamaged(path, 0, "the file is shorter than a segment header")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _block_bytes(data: mmap.mmap) -> int:
    """Block size a segment header claims. It is needed to find the end of that very frame, and checked with it."""
    claimed = int.from_bytes(data[68:72], "little")
    return claimed if claimed in (512, 4096) else SECTOR_BYTES


def _segment_header(path: Path, body: bytes) -> SegmentHeader:
    try:
        return SegmentHeader.unpack(body)
    except ValueError as error:
        raise JournalDamaged(path, 0, str(error)) from error


def _verifier_from(path: Path) -> Verifier:
    """Return a verifier that stands where a segment's own header says the segment begins."""
    data = _map(path)
    first_seq = int.from_bytes(data[8:16], "little")
    return Verifier(first_seq, bytes(data[48:64]), int.from_bytes(data[32:40], "little", signed=True), 0)
