"""API keys: who may log in, for which account, and what for."""

import contextlib
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCOPES = ("read", "trade", "cancel", "copy")
DEFAULT_SCOPES = ("read", "trade")
KEY_NETWORKS_MAX = 64
US_PER_SECOND = 1_000_000
FIRM_ACCOUNTS_MAX = 1_024  # Accounts of a drop copy.
SECRET_BYTES = 32
KEY_ID_BYTES = 9
ADDRESSES_WATCHED_MAX = 10_000


class KeyFileError(Exception):
    """The key file cannot be used."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key: `read` hears the private stream, `cancel` may end orders as well, and `trade` may do everything.

    `copy` hears drop copies: what happens to `account` and to the accounts named in `copies`, a firm's.
    """

    key_id: str
    secret: bytes = field(repr=False)
    account: str
    scopes: frozenset[str] = frozenset(DEFAULT_SCOPES)
    copies: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()  # From where it may be used, as 10.0.0.0/8; none: from everywhere.
    expires_s: int = 0  # Seconds since 1970 from which on it is not accepted; 0: never.

    def is_usable(self, address: str, ts_us: int) -> bool:
        """Whether it may be used from an address at a time, microseconds since 1970."""
        if self.expires_s and ts_us >= self.expires_s * US_PER_SECOND:
            return False
        return not self.networks or any(is_within(address, network) for network in self.networks)

    @property
    def may_trade(self) -> bool:
        """Whether orders are accepted."""
        return "trade" in self.scopes

    @property
    def may_cancel(self) -> bool:
        """Whether cancels and dead-man switches are accepted."""
        return self.may_trade or "cancel" in self.scopes

    @property
    def is_private(self) -> bool:
        """Whether the account's private stream is sent; a trader must hear of his fills."""
        return bool(self.scopes - {"copy"})

    @property
    def firm(self) -> tuple[str, ...]:
        """The accounts whose drop copies are sent; none without the scope `copy`."""
        return tuple(sorted({self.account, *self.copies})) if "copy" in self.scopes else ()

    @property
    def text(self) -> str:
        """The form a client is given: ``id:secret``."""
        return f"{self.key_id}:{self.secret.hex()}"


def sign(secret: bytes, nonce: bytes, key_id: str, ts_us: int) -> bytes:
    """Return the signature of a login: HMAC-SHA256 over nonce, key and the decimal microseconds."""
    return hmac.digest(secret, nonce + key_id.encode() + str(ts_us).encode(), hashlib.sha256)


def is_within(address: str, network: str) -> bool:
    """Whether an address is of a network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed in ipaddress.ip_network(network)


def generate_key(
    account: str,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    copies: Iterable[str] = (),
    networks: Iterable[str] = (),
    expires_s: int = 0,
) -> ApiKey:
    """Return a new random key for an account.

    Raises:
        ValueError: a scope that does not exist; accounts to copy without the scope `copy`, or too many; what is no
            network.

    """
    scopes, copies, networks = frozenset(scopes), tuple(copies), tuple(networks)
    check_rights(scopes, copies)
    check_use(networks, expires_s)
    key_id, secret = secrets.token_urlsafe(KEY_ID_BYTES), secrets.token_bytes(SECRET_BYTES)
    return ApiKey(key_id, secret, account, scopes, copies, networks, expires_s)


def check_use(networks: tuple[str, ...], expires_s: int) -> None:
    """Raise ValueError for networks that are none, too many of them, or a time that is none."""
    if len(networks) > KEY_NETWORKS_MAX:
        raise ValueError(f"a key must be bound to at most {KEY_NETWORKS_MAX} networks")
    for network in networks:
        ipaddress.ip_network(network)
    if type(expires_s) is not int or expires_s < 0:
        raise ValueError(f"expires must be seconds since 1970, was {expires_s!r}")


def check_rights(scopes: frozenset[str], copies: tuple[str, ...]) -> None:
    """Raise ValueError for rights that make no sense."""
    unknown = scopes - set(SCOPES)
    if unknown:
        raise ValueError(f"scopes must be of {', '.join(SCOPES)}, was {', '.join(sorted(unknown))}")
    if copies and "copy" not in scopes:
        raise ValueError("accounts to copy need the scope copy")
    if len(copies) >= FIRM_ACCOUNTS_MAX:
        raise ValueError(f"a firm must be of at most {FIRM_ACCOUNTS_MAX} accounts")


class KeyStore:
    """The keys of a venue, in memory and optionally in a file that only its owner may read."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys = {key.key_id: key for key in keys}
        # What an unknown key is compared with, so that it costs as much time as a wrong signature.
        self._nobody = ApiKey("", secrets.token_bytes(SECRET_BYTES), "")

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[ApiKey]:
        return iter(self._keys.values())

    def add(self, key: ApiKey) -> None:
        """Add a key, or replace the one with its id."""
        self._keys[key.key_id] = key

    def remove(self, key_id: str) -> bool:
        """Forget a key; False if there was none."""
        return self._keys.pop(key_id, None) is not None

    def verify(self, key_id: str, nonce: bytes, ts_us: int, signature: bytes) -> ApiKey | None:
        """Return the key whose owner signed, or None. Takes the same time for an unknown key."""
        key = self._keys.get(key_id, self._nobody)
        expected = sign(key.secret, nonce, key_id, ts_us)
        matches = hmac.compare_digest(expected, signature)
        return key if matches and key is not self._nobody else None

    def owner(self, key_id: str, signed: bytes, signature: str) -> ApiKey | None:
        """Return the key that signed bytes, in hexadecimal digits, or None. Takes the same time for an unknown key."""
        key = self._keys.get(key_id, self._nobody)
        expected = hmac.digest(key.secret, signed, hashlib.sha256).hex()
        matches = hmac.compare_digest(expected.encode(), signature.encode())
        return key if matches and key is not self._nobody else None

    @classmethod
    def load(cls, path: Path | str) -> "KeyStore":
        """Read a key file.

        Raises:
            KeyFileError: it is missing, readable by others, or not a key file.

        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read()
        except OSError as error:
            raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}") from error
        if stat.S_IMODE(mode) & 0o077:
            raise KeyFileError(f"the key file {path} must be readable by its owner only, was {stat.S_IMODE(mode):04o}")
        try:
            return cls(_key_from(entry) for entry in json.loads(content)["keys"])
        except (ValueError, KeyError, TypeError) as error:
            raise KeyFileError(f"the key file {path} must hold a list of keys: {error}") from error

    def save(self, path: Path | str) -> None:
        """Write the key file, in one step, with mode 0600.

        Raises:
            KeyFileError: it cannot be written.

        """
        path = Path(path)
        entries = [
            {"key": key.key_id, "secret": key.secret.hex(), "account": key.account, "scopes": sorted(key.scopes)}
            | ({"copies": list(key.copies)} if key.copies else {})
            | ({"networks": list(key.networks)} if key.networks else {})
            | ({"expires_s": key.expires_s} if key.expires_s else {})
            for key in self._keys.values()
        ]
        beside = path.with_name(f"{path.name}.new")
        try:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump({"keys": entries}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise KeyFileError(f"the key file {path} cannot be written: {error.strerror}") from error


def _key_from(entry: Any) -> ApiKey:
    scopes, copies = frozenset(entry["scopes"]), tuple(entry.get("copies", ()))
    networks, expires_s = tuple(entry.get("networks", ())), entry.get("expires_s", 0)
    if not all(isinstance(name, str) for name in (entry["key"], entry["account"], *copies, *networks)):
        raise ValueError("key, account, accounts to copy and networks must be text")
    check_rights(scopes, copies)
    check_use(networks, expires_s)
    secret = bytes.fromhex(entry["secret"])
    return ApiKey(entry["key"], secret, entry["account"], scopes, copies, networks, expires_s)


class LoginGuard:
    """Refuses an address after too many failed logins in a short time."""

    def __init__(self, failures_max: int, window_ns: int) -> None:
        self.failures_max = failures_max
        self.window_ns = window_ns
        self._failures: dict[str, deque[int]] = {}
        self._blocked: dict[str, int] = {}

    def note_failure(self, address: str, now_ns: int) -> None:
        """Remember a failed login."""
        if address not in self._failures and len(self._failures) >= ADDRESSES_WATCHED_MAX:
            self._forget_oldest()
        self._failures.setdefault(address, deque(maxlen=self.failures_max)).append(now_ns)

    def is_refused(self, address: str, now_ns: int) -> bool:
        """Whether the address has used up its failures within the window."""
        failures = self._failures.get(address)
        return failures is not None and len(failures) == self.failures_max and now_ns - failures[0] < self.window_ns

    def block(self, account: str, until_ns: int) -> None:
        """Refuse an account's logins for a time."""
        self._blocked[account] = until_ns

    def is_blocked(self, account: str, now_ns: int) -> bool:
        """Whether an account may not log in now."""
        if now_ns >= self._blocked.get(account, now_ns):
            self._blocked.pop(account, None)
        return account in self._blocked

    def _forget_oldest(self) -> None:
        self._failures.pop(next(iter(self._failures)))
