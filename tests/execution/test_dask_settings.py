"""TLS between client and workers: both ends show the key of this run, which is in no file."""

from __future__ import annotations

import datetime
import pickle
import ssl
import tempfile

import pytest
from cryptography import x509

pytest.importorskip("distributed", reason="the extra lan is not installed")
from pyhrf.execution.dask.settings import temporary_security

OURS, FOREIGN = temporary_security(), temporary_security()


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Let two ends talk until both are content, or one is not."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
    assert not ends


def context(security, role="worker") -> ssl.SSLContext:
    return security.get_connection_args(role)["ssl_context"]


def listening() -> ssl.SSLContext:
    return OURS.get_listen_args("scheduler")["ssl_context"]


def test_temporary_security__ends_of_one_run_trust_each_other():
    shake_hands(context(OURS), listening())
    shake_hands(context(temporary_security(OURS.pem)), listening())
    shake_hands(context(pickle.loads(pickle.dumps(OURS))), listening())


def test_temporary_security__does_not_mind_a_clock_that_is_behind(monkeypatch):
    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + datetime.timedelta(hours=2)

    monkeypatch.setattr(datetime, "datetime", Later)
    made = temporary_security()
    monkeypatch.undo()
    certificate = x509.load_pem_x509_certificate(made.pem["cert"].encode())
    assert certificate.not_valid_before_utc > datetime.datetime.now(datetime.UTC)
    shake_hands(context(made), made.get_listen_args("scheduler")["ssl_context"])


def test_temporary_security__refuses_the_key_of_another_run():
    with pytest.raises(ssl.SSLError):
        shake_hands(context(FOREIGN), listening())


def test_temporary_security__refuses_who_shows_no_key():
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError):
        shake_hands(anyone, listening())


def test_temporary_security__writes_no_key_to_a_file(monkeypatch, tmp_path):
    def no_folder(*_, **__):
        raise AssertionError("a temporary folder was made for a key")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", no_folder)
    assert isinstance(context(temporary_security(OURS.pem)), ssl.SSLContext)
