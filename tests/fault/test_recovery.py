"""The only outcomes of opening a journal: all of it, all but a write that was never acknowledged, or a refusal."""

import itertools

import pytest
from journal_tools import SECTOR, append, copy, history, only_segment, opened, outcome, recovered, write

from gateway.journal import JournalDamaged, Reader
from gateway.journal.layout import segment_path, segment_paths

FIRST = 2 * SECTOR  # Where the second batch begins: the segment header and the first batch are one sector each.


def test_every_subset_of_the_last_frames_sectors_is_exact_or_trimmed_jrn_012(tmp_path):
    counts = (3, 40)  # The last frame has six sectors.
    write(tmp_path / "whole", *counts)
    whole = only_segment(tmp_path / "whole").read_bytes()
    frame = whole[FIRST : FIRST + 6 * SECTOR]
    assert whole[FIRST + 6 * SECTOR :].count(0) == len(whole) - FIRST - 6 * SECTOR
    for persisted in itertools.product([False, True], repeat=6):
        path = copy(tmp_path / "whole", tmp_path / "torn")
        sectors = [
            frame[at * SECTOR : (at + 1) * SECTOR] if here else bytes(SECTOR) for at, here in enumerate(persisted)
        ]
        only_segment(path).write_bytes(whole[:FIRST] + b"".join(sectors) + whole[FIRST + 6 * SECTOR :])
        batches, torn = recovered(path)
        assert batches == (history(*counts) if all(persisted) else history(3)), persisted
        assert (torn is not None) == (any(persisted) and not all(persisted)), persisted
        if torn is not None:
            last_written = max(at for at, here in enumerate(persisted) if here)
            assert torn.read_bytes() == b"".join(sectors[: last_written + 1])


def test_writing_goes_on_after_a_trim_jrn_015(tmp_path):
    write(tmp_path, 3, 40)
    with only_segment(tmp_path).open("r+b") as file:
        file.seek(FIRST + SECTOR)
        file.write(bytes(SECTOR))
    journal = opened(tmp_path)
    assert journal.last_seq == 3
    append(journal, 2)
    journal.close()
    assert recovered(tmp_path) == (history(3, 2), None)


def test_trim_that_was_interrupted_is_repeated_jrn_015(tmp_path):
    write(tmp_path / "whole", 3, 40)
    segment = only_segment(tmp_path / "whole")
    data = bytearray(segment.read_bytes())
    data[FIRST + SECTOR : FIRST + 2 * SECTOR] = bytes(SECTOR)
    segment.write_bytes(data)
    for zeroed in range(7):  # The copy was made, and this many sectors had been zeroed when the machine went down.
        path = copy(tmp_path / "whole", tmp_path / "again")
        (path / f"{segment.stem}.{FIRST}.torn").write_bytes(b"kept")
        data_now = bytearray(data)
        data_now[FIRST : FIRST + zeroed * SECTOR] = bytes(zeroed * SECTOR)
        only_segment(path).write_bytes(data_now)
        batches, torn = recovered(path)
        assert batches == history(3)
        assert (torn is None) == (zeroed == 6)
        assert (path / f"{segment.stem}.{FIRST}.torn").read_bytes() == b"kept"
        assert recovered(path) == (history(3), None)


def test_refusal_changes_nothing_jrn_015(tmp_path):
    write(tmp_path, 3, 40, 1)
    segment = only_segment(tmp_path)
    data = bytearray(segment.read_bytes())
    data[FIRST + 700] ^= 1
    segment.write_bytes(data)
    assert isinstance(outcome(tmp_path), JournalDamaged)
    assert segment.read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == [segment.name]


@pytest.mark.slow
def test_one_flipped_bit_anywhere_is_refused_or_without_effect_jrn_010(tmp_path):
    counts = (3, 9, 1)
    write(tmp_path, *counts)
    segment = only_segment(tmp_path)
    data = segment.read_bytes()
    written = 5 * SECTOR  # Header, one sector, two sectors, one sector.
    assert data[written - SECTOR : written] != bytes(SECTOR)
    assert data[written:] == bytes(len(data) - written)
    # All bits of what was written and of the next header's place, and a few of the free space behind it.
    bits = [*range(8 * (written + SECTOR)), *range(8 * (written + SECTOR), 8 * len(data), 997)]
    with segment.open("r+b", buffering=0) as file:
        for bit in bits:
            at, mask = bit // 8, 1 << bit % 8
            file.seek(at)
            file.write(bytes([data[at] ^ mask]))
            try:
                found = [(f.first_seq, f.ts_ns, f.count, bytes(f.body)) for f in Reader(tmp_path)]
            except JournalDamaged:
                assert at < written + SECTOR, "free space behind the next header must not matter"
            else:
                assert at >= written + SECTOR, f"bit {bit % 8} of byte {at} was flipped and not noticed"
                assert found == history(*counts)
            file.seek(at)
            file.write(data[at : at + 1])


def damaged(tmp_path, change):
    """The outcome for a journal of five batches (sectors: header, 1, 3, 1, 1, 1) after a change of its sectors."""
    write(tmp_path, 3, 20, 2, 2, 4)
    segment = only_segment(tmp_path)
    data = segment.read_bytes()
    sectors = [data[at : at + SECTOR] for at in range(0, len(data), SECTOR)]
    segment.write_bytes(b"".join(change(sectors)))
    return outcome(tmp_path)


@pytest.mark.parametrize("place", range(7))
def test_zeroed_sector_before_the_last_frame_is_refused_jrn_010(tmp_path, place):
    def change(sectors):
        return [bytes(SECTOR) if at == place else sector for at, sector in enumerate(sectors)]

    assert isinstance(damaged(tmp_path, change), JournalDamaged)


@pytest.mark.parametrize("pair", [pair for pair in itertools.combinations(range(8), 2)])
def test_swapped_sectors_are_refused_jrn_013(tmp_path, pair):
    def change(sectors):
        sectors[pair[0]], sectors[pair[1]] = sectors[pair[1]], sectors[pair[0]]
        return sectors

    assert isinstance(damaged(tmp_path, change), JournalDamaged)


@pytest.mark.parametrize("pair", [pair for pair in itertools.permutations(range(8), 2)])
def test_sector_written_to_the_wrong_place_is_refused_jrn_013(tmp_path, pair):
    def change(sectors):
        sectors[pair[1]] = sectors[pair[0]]
        return sectors

    assert isinstance(damaged(tmp_path, change), JournalDamaged)


def test_stale_frame_behind_the_end_is_refused_jrn_013(tmp_path):
    found = damaged(tmp_path, lambda sectors: [*sectors[:8], sectors[6], *sectors[9:]])
    assert isinstance(found, JournalDamaged)
    assert (found.offset, found.reason) == (8 * SECTOR, "the sequence numbers have a gap")


def test_bytes_of_another_segment_behind_the_end_are_not_accepted_jrn_002(tmp_path):
    write(tmp_path / "other", 3, 20, 2, 2, 4, 1)
    other = only_segment(tmp_path / "other").read_bytes()
    found = damaged(tmp_path / "this", lambda sectors: [*sectors[:8], other[8 * SECTOR : 9 * SECTOR], *sectors[9:]])
    assert isinstance(found, JournalDamaged)
    assert "checksum of the frame's header" in str(found)


def test_refusal_names_segment_place_and_both_values_jrn_011(tmp_path):
    found = damaged(tmp_path, lambda sectors: [*sectors[:5], b"x" + sectors[5][1:], *sectors[6:]])
    assert str(found).startswith("00000000000000000001.hgj at offset 2560: the checksum of the frame's header")
    assert found.expected != found.found


SEGMENTED = (5,) * 100


def segmented(path):
    """A journal of four segments."""
    write(path, *SEGMENTED)
    assert len(segment_paths(path)) == 4
    return segment_paths(path)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_missing_segment_is_refused_by_name_jrn_014(tmp_path, number):
    segments = segmented(tmp_path)
    segments[number].unlink()
    found = outcome(tmp_path)
    assert isinstance(found, JournalDamaged)
    assert found.segment == segments[number + 1]
    assert found.reason == "a segment before this one is missing"


@pytest.mark.parametrize("number", range(4))
def test_renamed_segment_is_refused_jrn_014(tmp_path, number):
    segment = segmented(tmp_path)[number]
    segment.rename(segment_path(tmp_path, int(segment.stem) + 1))
    assert isinstance(outcome(tmp_path), JournalDamaged)


def test_segment_of_another_journal_is_refused_jrn_014(tmp_path):
    segments = segmented(tmp_path / "this")
    others = segmented(tmp_path / "other")
    segments[2].write_bytes(others[2].read_bytes())
    found = outcome(tmp_path / "this")
    assert isinstance(found, JournalDamaged)
    assert found.segment == segments[2]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("sectors", [-1, 1])
def test_cut_or_lengthened_segment_is_refused_jrn_014(tmp_path, number, sectors):
    segment = segmented(tmp_path)[number]
    data = segment.read_bytes()
    segment.write_bytes(data[:-SECTOR] if sectors < 0 else data + bytes(SECTOR))
    found = outcome(tmp_path)
    assert isinstance(found, JournalDamaged)
    assert (found.segment, found.reason) == (segment, "the file was cut or lengthened")


def test_closed_segment_without_its_seal_is_refused_jrn_014(tmp_path):
    segment = segmented(tmp_path)[1]
    data = segment.read_bytes().rstrip(b"\0")
    data += bytes(-len(data) % SECTOR)  # The last frame may end in a zero byte.
    segment.write_bytes((data[:-SECTOR]).ljust(32 * SECTOR, b"\0"))
    found = outcome(tmp_path)
    assert isinstance(found, JournalDamaged)
    assert found.reason == "the segment has no end, but another one follows"


def test_end_between_seal_and_next_name_is_recovered_jrn_008(tmp_path):
    segments = segmented(tmp_path)
    segments[3].rename(tmp_path / "spare-1.tmp")
    batches, torn = recovered(tmp_path)
    assert (batches, torn) == (history(*SEGMENTED[: 30 * 3]), None)
    journal = opened(tmp_path)
    append(journal, 5)
    journal.close()
    assert recovered(tmp_path)[0] == history(*SEGMENTED[: 30 * 3 + 1])


def test_power_loss_in_memory_mode_cuts_at_the_hole_jrn_006(tmp_path):
    write(tmp_path, 3, 20, 2, 2, 4, durability="memory")
    segment = only_segment(tmp_path)
    data = bytearray(segment.read_bytes())
    data[3 * SECTOR : 4 * SECTOR] = bytes(SECTOR)
    segment.write_bytes(data)
    batches, torn = recovered(tmp_path)
    assert batches == history(3)
    assert torn is not None


def test_recovery_ten_times_over_changes_nothing_more_jrn_015(tmp_path):
    write(tmp_path, 3, 40)
    with only_segment(tmp_path).open("r+b") as file:
        file.seek(FIRST + 2 * SECTOR)
        file.write(bytes(SECTOR))
    assert recovered(tmp_path)[0] == history(3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for _ in range(10):
        assert recovered(tmp_path) == (history(3), None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
