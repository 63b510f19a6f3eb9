"""TLS: the same venue behind a certificate, and the limits that hold there, too."""

import asyncio
import contextlib
import socket
import ssl

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from gateway_venue import Raw, Venue
from test_cli import Served, run
from test_server import run as run_loop

from bench.certificate import self_signed
from gateway.client import Session, connect
from gateway.failures import CONFIGURATION, MISSING, Failure
from gateway.tls import server_context


@pytest.fixture
def pair(tmp_path):
    return self_signed(tmp_path)


@contextlib.asynccontextmanager
async def secured(pair, **config):
    """A venue with TLS, and the context of a client that trusts it."""
    venue = Venue(**config)
    await venue.server.start(tls=server_context(*map(str, pair)))
    try:
        yield venue, ssl.create_default_context(cafile=pair[0])
    finally:
        await venue.server.stop()


def url(venue):
    return venue.url.replace("ws:", "wss:")


@contextlib.asynccontextmanager
async def raw_tls(venue, trust):
    async with aiohttp.ClientSession() as http, http.ws_connect(url(venue), ssl=trust) as websocket:
        yield Raw(http, websocket)


def test_orders_over_tls(pair):
    async def main():
        async with secured(pair) as (venue, trust):
            async with connect(url(venue), venue.key["ann"], ssl=trust) as ann:
                assert isinstance(ann, Session)
                order = await ann.buy(venue.symbols[0], lots=2, price="2.45")
                assert order.lots == 2
            async with aiohttp.ClientSession() as http:
                async with http.get(venue.http.replace("http:", "https:") + "/v1/time", ssl=trust) as response:
                    assert response.status == 200

    run_loop(main())


def test_certificate_that_the_system_does_not_trust_is_an_oserror(pair):
    async def main():
        async with secured(pair) as (venue, _):
            with pytest.raises(OSError, match="certificate verify failed"):
                async with connect(url(venue), venue.key["ann"]):
                    pass
            async with asyncio.timeout(10):  # It will not be trusted later, either.
                with pytest.raises(OSError, match="certificate verify failed"):
                    async with connect(url(venue), venue.key["ann"], connect_s=60):
                        pass

    run_loop(main())


def test_plain_client_gets_nothing_of_a_tls_venue(pair):
    async def main():
        async with secured(pair) as (venue, _):
            with pytest.raises(aiohttp.ServerDisconnectedError):
                async with connect(venue.url, venue.key["ann"]):
                    pass

    run_loop(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(pair, version):
    async def main():
        async with secured(pair) as (venue, trust):
            trust.minimum_version = trust.maximum_version = version
            async with connect(url(venue), venue.key["ann"], ssl=trust) as ann:
                order = await ann.buy(venue.symbols[0], lots=1, price="2.45")
                assert order.is_open

    run_loop(main())


def test_older_versions_are_not_spoken(pair):
    context = server_context(*map(str, pair))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_silent_handshake_is_not_waited_for(pair):
    """Nothing is said after the connection: the limit closes it."""

    async def main():
        async with secured(pair, tls_handshake_ms=100) as (venue, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", venue.server.port)
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()

    run_loop(main())


def test_peer_whose_host_is_gone_is_given_up_under_tls_too(pair):
    async def main():
        async with secured(pair) as (venue, trust), raw_tls(venue, trust) as ann:
            await ann.login(venue.key["ann"])
            (connection,) = venue.server._connections
            raw_socket = connection.link.transport.get_extra_info("socket")
            timeout_ms = raw_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert timeout_ms == venue.server.config.user_timeout_ms

    run_loop(main())


def test_stuck_reader_is_cut_off_under_tls_too_ses_004(pair):
    async def main():
        sizes = {"backlog_bytes_max": 65_536, "conflate_bytes_max": 32_768, "conflate_low_bytes": 8_192}
        async with secured(pair, **sizes, heartbeat_ms=30_000) as (venue, trust):
            async with raw_tls(venue, trust) as ann, raw_tls(venue, trust) as bob:
                await ann.login(venue.key["ann"])
                await bob.login(venue.key["bob"])
                stuck = next(c for c in venue.server._connections if c.session.account_name == "bob")
                reading = bob.socket._conn.transport
                reading.pause_reading()
                sent = 0
                while stuck.link.is_open:
                    stuck.link.send(bytes(8192))
                    stuck.link.flush()
                    sent += 8192
                    assert sent < 64 << 20, "the backlog must be seen"
                    await asyncio.sleep(0)
                assert stuck.link.close_code == 4009
                await ann.send(3, 1, 1)
                assert (await ann.next())[0] == 65
                await asyncio.wait_for(stuck.gone, 5)
                reading.abort()

    run_loop(main())


def test_stop_ends_tls_sessions_by_name(pair):
    async def main():
        async with secured(pair) as (venue, trust), raw_tls(venue, trust) as ann:
            await ann.login(venue.key["ann"])
            stopping = asyncio.create_task(venue.server.stop())
            assert (await ann.next())[:2] == [41, 2]
            assert await ann.next() == ("closed", 4012)
            await asyncio.wait_for(stopping, 5)

    run_loop(main())


def test_plain_asyncio_works_too(pair):
    async def main():
        async with secured(pair) as (venue, trust), raw_tls(venue, trust) as ann:
            assert (await ann.login(venue.key["ann"]))[0] == 67

    asyncio.run(main())


def test_neither_file_is_no_tls():
    assert server_context(None, None) is None


def encrypted(path):
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )


def test_files_that_cannot_be_used_are_told(pair, tmp_path):
    certificate, key = map(str, pair)
    other = str(self_signed(tmp_path, "other")[1])
    for given, code, complaint in [
        ((certificate, None), CONFIGURATION, "TLS needs both tls_certificate and tls_key"),
        ((None, key), CONFIGURATION, "TLS needs both"),
        ((str(tmp_path / "none.pem"), key), MISSING, "none.pem cannot be read: No such file"),
        ((certificate, str(tmp_path)), MISSING, "cannot be read: Is a directory"),
        ((key, key), CONFIGURATION, "are not a PEM certificate and its unencrypted key"),
        ((certificate, other), CONFIGURATION, "are not a PEM certificate and its unencrypted key"),
    ]:
        with pytest.raises(Failure, match=complaint) as caught:
            server_context(*given)
        assert caught.value.exit_code == code
    encrypted(pair[1])
    with pytest.raises(Failure, match="unencrypted"):
        server_context(certificate, key)


def test_serve_speaks_tls(pair, tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    venue = Served(tmp_path, "--tls-certificate", str(pair[0]), "--tls-key", str(pair[1]))
    assert venue.banner.startswith("hourglass serves https://127.0.0.1:"), venue.banner
    host, port = venue.banner.split()[2].removeprefix("https://").split(":")
    trust = ssl.create_default_context(cafile=pair[0])
    with socket.create_connection((host, int(port))) as plain, trust.wrap_socket(plain, server_hostname=host) as tls:
        tls.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert tls.recv(15) == b"HTTP/1.1 200 OK"
    assert venue.stop()[0] == 0


def test_configuration_file_may_name_the_pair(pair, tmp_path, monkeypatch):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "venue.toml").write_text(f"tls_certificate = '{pair[0]}'\ntls_key = 'none.key'\njournal = 'j'\n")
    result = run("serve", "--config", "venue.toml")
    assert result.exit_code == MISSING
    assert "none.key cannot be read" in result.output
    (tmp_path / "venue.toml").write_text("tls_key = 1\njournal = 'j'\n")
    assert run("serve", "--config", "venue.toml").exit_code == CONFIGURATION


def test_serve_refuses_half_a_pair_before_it_makes_a_journal(pair, tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    result = run("serve", "--journal", tmp_path / "journal", "--tls-key", pair[1])
    assert result.exit_code == CONFIGURATION
    assert "TLS needs both tls_certificate and tls_key" in result.output
    assert not (tmp_path / "journal").exists()
