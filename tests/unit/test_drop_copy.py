"""The channels of an account and of a firm: state and drop copies. Rules: docs/spec/session.md."""

import json

import pytest
from gateway_venue import Venue
from test_frames import server_frames
from test_session import Peer, frozen_venue, live

from exchange import commands
from exchange.reasons import RejectReason as R
from gateway.auth import FIRM_ACCOUNTS_MAX, KeyFileError, KeyStore, generate_key

COPY, ACCOUNT = 9, 11


def desk(venue, *copies, scopes=("copy",)):
    """A session of cat's that may hear what happens to some accounts."""
    key = generate_key("cat", scopes, copies)
    venue.keys.add(key)
    peer = Peer(venue)
    assert [message[0] for message in peer.login(key, lane=200)] == [67]
    return peer


def trade(venue, ann, bob, ref, lots=1):
    ann.send([16, ref, 1, 1, 2450, lots, 0, 0])
    bob.send([16, ref, 1, 0, 2450, lots, 0, 0])


def test_a_firm_hears_of_all_its_accounts_in_one_sequence_ses_073():
    venue = frozen_venue()
    ann, bob, watcher = live(venue), live(venue, "bob"), desk(venue, "ann", "bob")
    assert watcher.send([4, 1, COPY, None]) == [[66, 1, 0, 1], [126, 0, [1, 2, 3], ["ann", "bob", "cat"]]]
    told = {1: [], 2: []}
    for ref in (1, 2):
        ann.send([16, ref, 1, 1, 2450, 1, 0, 0])
        told[2] += [message for message in bob.send([16, ref, 1, 0, 2450, 1, 0, 0]) if message[0] == 35]
        told[1] += [message for message in ann.frames() if message[0] == 35]
    copies = watcher.frames()
    assert [message[:3] for message in copies] == [[125, 1, 1], [125, 2, 2], [125, 3, 1], [125, 4, 2]]
    for account in (1, 2):
        assert [message[3] for message in copies if message[2] == account] == told[account]


def test_a_copy_is_not_for_everybody_ses_073():
    venue = frozen_venue()
    ann, bob, watcher = live(venue), live(venue, "bob"), desk(venue, "ann")
    watcher.send([4, 1, COPY, None])
    trade(venue, ann, bob, 1)
    assert [message[2] for message in watcher.frames()] == [1], "bob is not of the firm"
    assert live(venue, "cat").send([4, 1, COPY, None]) == [[66, 1, R.SCOPE, 0]]
    refused = watcher.send([4, 2, ACCOUNT, None], [16, 3, 1, 0, 2450, 1, 0, 0])
    assert [message[:3] for message in refused] == [[66, 2, R.SCOPE], [34, 3, R.SCOPE]]


def test_copies_end_with_their_subscription_ses_073():
    venue = frozen_venue()
    ann, bob, watcher = live(venue), live(venue, "bob"), desk(venue, "ann")
    watcher.send([4, 1, COPY, None], [5, 2, 1])
    trade(venue, ann, bob, 1)
    assert watcher.frames() == []
    assert watcher.send([7, 3, COPY, None]) == [[66, 3, 0, 0], [126, 1, [1, 3], ["ann", "cat"]]]
    watcher.send([4, 4, COPY, None])
    watcher.link.feed_eof()
    trade(venue, ann, bob, 2)
    assert venue.publisher.copies.open(("ann", "cat")).seq == 2


def test_copies_are_told_again_ses_073():
    venue = frozen_venue()
    ann, bob, watcher = live(venue), live(venue, "bob"), desk(venue, "ann", "bob")
    watcher.send([4, 1, COPY, None])
    for ref in (1, 2, 3):
        trade(venue, ann, bob, ref)
    copies = watcher.frames()
    assert watcher.send([6, 2, 1, None, 2, 5]) == [[66, 2, 0, 4], *copies[1:5]]
    assert watcher.send([6, 2, 1, None, 6]) == [[66, 2, 0, 1], copies[5]]
    assert watcher.send([6, 2, 1, None, 7]) == [[66, 2, 0, 0]]
    assert watcher.send([6, 2, 0, None, 1]) == [[66, 2, R.SCOPE, 0]], "there is no private stream for it"


def test_numbers_of_copies_outlive_the_server_ses_073():
    """A stream that begins late goes on from the pseqs; what is not in memory is said to be gone."""
    venue = frozen_venue()
    ann, bob = live(venue), live(venue, "bob")
    for ref in (1, 2, 3):
        trade(venue, ann, bob, ref)
    watcher = desk(venue, "ann", "bob")
    assert watcher.send([4, 1, COPY, None])[1][:2] == [126, 6]
    trade(venue, ann, bob, 4)
    assert [message[1] for message in watcher.frames()] == [7, 8]
    assert watcher.send([6, 2, 1, None, 5]) == [[66, 2, R.REPLAY_TOO_OLD, 7]]


def test_an_account_joins_its_firm_when_it_is_there_ses_073():
    venue = frozen_venue()
    watcher = desk(venue, "dan")
    assert watcher.send([4, 1, COPY, None])[1] == [126, 0, [3], ["cat"]]
    venue.sequencer.submit(commands.add_account("dan"))
    venue.key["dan"] = generate_key("dan")
    venue.keys.add(venue.key["dan"])
    dan, bob = live(venue, "dan"), live(venue, "bob")
    trade(venue, dan, bob, 1)
    assert [message[:3] for message in watcher.frames()] == [[125, 1, 4]]
    assert watcher.send([7, 1, COPY, None])[1] == [126, 1, [3, 4], ["cat", "dan"]]


def test_copies_in_text_ses_073():
    venue = frozen_venue()
    ann, bob, watcher = live(venue), live(venue, "bob"), desk(venue, "ann")
    watcher.send([4, 1, COPY, None])
    watcher.link.is_text = True
    trade(venue, ann, bob, 1)
    ((opcode, text),) = server_frames(b"".join(watcher.link.transport.writes[watcher.read :]))
    assert opcode == 1
    copy = json.loads(text)
    assert (copy["t"], copy["seq"], copy["account"], copy["message"]["t"]) == ("copy", 1, 1, "fill")
    assert copy["message"]["px"] == 2450


def test_a_server_follows_its_firms_from_the_start_ses_073():
    venue = Venue()
    venue.keys.add(generate_key("cat", ("copy",), ("ann", "bob")))
    venue.server.open_firms()
    for ref in (1, 2):
        venue.sequencer.submit(commands.place(1, ref, 1, 1, 2450, 1) + commands.place(2, ref, 1, 0, 2450, 1))
    stream = venue.publisher.copies.open(("ann", "bob", "cat"))
    assert (stream.seq, stream.oldest_seq) == (4, 1)


# Keys.


def test_a_key_file_keeps_what_is_copied(tmp_path):
    path = tmp_path / "keys.json"
    key = generate_key("cat", ("copy",), ("ann", "bob"))
    KeyStore([key]).save(path)
    assert list(KeyStore.load(path)) == [key]
    assert key.firm == ("ann", "bob", "cat")
    assert not key.is_private
    assert generate_key("cat").firm == ()


@pytest.mark.parametrize(
    ("scopes", "copies", "text"),
    [
        (("read",), ("ann",), "need the scope copy"),
        (("copy",), [str(number) for number in range(FIRM_ACCOUNTS_MAX)], "at most 1024 accounts"),
        (("copies",), (), "scopes must be of"),
    ],
)
def test_rights_that_make_no_sense(tmp_path, scopes, copies, text):
    with pytest.raises(ValueError, match=text):
        generate_key("cat", scopes, copies)
    path = tmp_path / "keys.json"
    entry = {"key": "k", "secret": "00", "account": "cat", "scopes": list(scopes), "copies": list(copies)}
    path.write_text(json.dumps({"keys": [entry]}))
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=text):
        KeyStore.load(path)


# The account's state.


def test_the_state_of_an_account_ses_072():
    venue = frozen_venue()
    ann, bob = live(venue), live(venue, "bob")
    ann.send([16, 1, 1, 1, 2450, 5, 0, 0])
    bob.send([16, 1, 1, 0, 2450, 2, 0, 0], [16, 2, 2, 0, 2000, 4, 0, 0])
    seq = venue.engine.seq
    answer, *positions, balance = bob.send([7, 9, ACCOUNT, None])
    assert answer == [66, 9, 0, 0]
    assert positions == [[39, 1, 2, 0, 0, seq], [39, 2, 0, 4, 0, seq]]
    assert balance[0] == 40
    assert balance[3] == balance[1] - balance[2] == venue.engine.core.balance(2) - venue.engine.core.requirement_sum(2)
    assert balance[5] == seq


def test_what_has_changed_is_told_once_in_a_while_ses_072():
    venue = frozen_venue()
    ann, bob = live(venue), live(venue, "bob")
    first = bob.send([4, 1, ACCOUNT, None, [None, 200]])
    assert [message[0] for message in first] == [66, 40]
    begun_ns = bob.now_ns
    trade(venue, ann, bob, 1, lots=3)
    bob.frames()
    assert told(bob, begun_ns + 199_000_000) == []
    assert [message[:5] for message in told(bob, begun_ns + 200_000_000)] == [[39, 1, 3, 0, 0], balance_of_bob(venue)]
    assert told(bob, begun_ns + 400_000_000) == [], "nothing has changed"
    ann.send([16, 2, 1, 0, 2450, 3, 0, 0])
    bob.send([16, 2, 1, 1, 2450, 3, 0, 0])
    bob.frames()
    assert next(message[:5] for message in told(bob, begun_ns + 600_000_000)) == [39, 1, 0, 0, 0], "it is gone"
    bob.send([5, 3, 1])
    trade(venue, ann, bob, 3)
    bob.frames()
    assert told(bob, begun_ns + 900_000_000) == []


def balance_of_bob(venue):
    core = venue.engine.core
    cash, reserved = core.balance(2), core.requirement_sum(2)
    return [40, cash, reserved, cash - reserved]


def told(peer, now_ns):
    """What is due by a time, heartbeats apart, without the clock of balances."""
    messages = [message for message in peer.tick(now_ns) if message[0] in (39, 40)]
    return [message[:4] if message[0] == 40 else message for message in messages]


def test_state_is_told_when_it_is_durable_ses_072():
    venue = frozen_venue()
    bob = live(venue, "bob")
    durable = [venue.engine.seq]
    sources = venue.frozen.sources
    object.__setattr__(sources, "durable_seq", lambda: durable[0])
    bob.send([16, 1, 1, 0, 2000, 4, 0, 0])
    assert bob.send([7, 9, ACCOUNT, None]) == [[66, 9, 0, 0]]
    assert told(bob, bob.now_ns + 1) == []
    durable[0] = venue.engine.seq
    assert [message[0] for message in told(bob, bob.now_ns + 2)] == [39, 40]
