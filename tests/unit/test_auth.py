"""Keys, the key file, and the guard against guessing."""

import json
import os
import stat

import pytest

from gateway.auth import ApiKey, KeyFileError, KeyStore, LoginGuard, generate_key, sign


def test_keys_survive_the_file_which_only_its_owner_reads(tmp_path):
    path = tmp_path / "keys.json"
    store = KeyStore([generate_key("ann"), generate_key("bob", ["read"])])
    store.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(KeyStore.load(path)) == list(store)
    store.add(generate_key("cat"))
    store.save(path)
    assert len(KeyStore.load(path)) == 3
    assert os.listdir(tmp_path) == ["keys.json"]


def test_file_others_can_read_is_refused(tmp_path):
    path = tmp_path / "keys.json"
    KeyStore().save(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="owner only, was 0640"):
        KeyStore.load(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"keys": [{}]}',
        json.dumps({"keys": [{"key": "k", "secret": "zz", "account": "a", "scopes": []}]}),
        json.dumps({"keys": [{"key": "k", "secret": "00", "account": "a", "scopes": ["root"]}]}),
        json.dumps({"keys": [{"key": 1, "secret": "00", "account": "a", "scopes": []}]}),
    ],
)
def test_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="must hold a list of keys"):
        KeyStore.load(path)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyStore.load(tmp_path / "none")
    with pytest.raises(KeyFileError, match="cannot be written"):
        KeyStore().save(tmp_path / "none" / "keys.json")


def test_verify_wants_key_nonce_time_and_secret():
    key, other = generate_key("ann"), generate_key("bob")
    store = KeyStore([key, other])
    good = sign(key.secret, b"nonce", key.key_id, 5)
    assert store.verify(key.key_id, b"nonce", 5, good) is key
    assert store.verify(key.key_id, b"other", 5, good) is None
    assert store.verify(key.key_id, b"nonce", 6, good) is None
    assert store.verify(other.key_id, b"nonce", 5, good) is None
    assert store.verify("nobody", b"nonce", 5, good) is None
    assert store.remove(key.key_id)
    assert store.verify(key.key_id, b"nonce", 5, good) is None
    assert not store.remove(key.key_id)


def test_nobodys_secret_opens_nothing():
    store = KeyStore()
    assert store.verify("x", b"nonce", 5, sign(store._nobody.secret, b"nonce", "x", 5)) is None


def test_secret_is_not_printed():
    key = ApiKey("id", b"\x01\x02", "ann")
    assert "secret" not in repr(key)
    assert key.text == "id:0102"
    with pytest.raises(ValueError, match="scopes must be of"):
        generate_key("ann", ["root"])


def test_guard_forgets_with_time_and_holds_few_addresses(monkeypatch):
    guard = LoginGuard(2, 100)
    guard.note_failure("a", 0)
    assert not guard.is_refused("a", 1)
    guard.note_failure("a", 50)
    assert guard.is_refused("a", 99)
    assert not guard.is_refused("a", 100)
    assert not guard.is_refused("b", 99)
    monkeypatch.setattr("gateway.auth.ADDRESSES_WATCHED_MAX", 3)
    for address in "bcde":
        guard.note_failure(address, 60)
    assert len(guard._failures) == 3


def test_a_watched_address_pushes_nobody_out(monkeypatch):
    monkeypatch.setattr("gateway.auth.ADDRESSES_WATCHED_MAX", 2)
    guard = LoginGuard(2, 100)
    for address in "abab":
        guard.note_failure(address, 0)
    assert guard.is_refused("a", 1)
    assert guard.is_refused("b", 1)


# From where, and until when.

NOON_US = 1_800_000_000_000_000


@pytest.mark.parametrize(
    ("networks", "address", "usable"),
    [
        ((), "203.0.113.9", True),
        (("10.0.0.0/8",), "10.200.1.1", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("192.0.2.7", "2001:db8::/32"), "192.0.2.7", True),
        (("192.0.2.7", "2001:db8::/32"), "2001:db8:1::5", True),
        (("192.0.2.7",), "::ffff:192.0.2.7", True),
        (("192.0.2.7",), "", False),
    ],
)
def test_a_key_bound_to_networks_ses_006(networks, address, usable):
    assert generate_key("ann", networks=networks).is_usable(address, NOON_US) is usable


def test_a_key_that_expires_ses_006():
    key = generate_key("ann", expires_s=NOON_US // 1_000_000)
    assert key.is_usable("10.0.0.1", NOON_US - 1)
    assert not key.is_usable("10.0.0.1", NOON_US)


def test_bounds_of_a_key_are_kept_in_its_file(tmp_path):
    key = generate_key("ann", networks=("10.0.0.0/8",), expires_s=7)
    KeyStore([key]).save(tmp_path / "keys.json")
    assert list(KeyStore.load(tmp_path / "keys.json")) == [key]


@pytest.mark.parametrize(
    "bounds", [{"networks": ["10.0.0.1/8"]}, {"networks": ["x"]}, {"networks": ["::1"] * 65}, {"expires_s": -1}]
)
def test_bounds_that_make_no_sense(tmp_path, bounds):
    with pytest.raises(ValueError, match=r"network|address|seconds|host bits"):
        generate_key("ann", **bounds)
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [{"key": "k", "secret": "00", "account": "a", "scopes": []} | bounds]}))
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        KeyStore.load(path)
