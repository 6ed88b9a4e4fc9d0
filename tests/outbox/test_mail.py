"""One mail, as it crosses the wire: TLS that must be trusted, files and HTML that come back as they were, letters beyond ASCII."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloudsales_pipeline.outbox.files import File
from cloudsales_pipeline.outbox.gateways import Answer, Envelope, Outcome
from cloudsales_pipeline.outbox.mail import MailGateway, MailServer
from cloudsales_pipeline.outbox.mail import mail_server as server_of
from cloudsales_pipeline.simulator.mail import mail_server

FILES = (File("FU-1.pdf", "application/pdf", bytes(range(256)) * 40), File("Awb ș.csv", "text/csv", b"a;b\r\n.\r\n"))


def envelope(to: str = "ana@x.ro", **fields: Any) -> Envelope:
    given: dict[str, Any] = {
        "title": "Factura ț",
        "text": "Bună\n.\nziua",
        "html": "<p>Bună „ziua”</p>",
        "files": FILES,
        **fields,
    }
    return Envelope(7, datetime(2026, 11, 24, tzinfo=UTC), to, **given)


class Kept:
    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append((envelope.rcpt_tos[0], envelope.content))
        return "250 OK"


@contextmanager
def secure_server(folder: Path) -> Iterator[tuple[MailServer, Path, Kept]]:
    """A server that offers STARTTLS with a certificate of its own, the certificate, and what it was given."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file, both = folder / "server.pem", folder / "both.pem"
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(certificate.public_bytes(pem))
    both.write_bytes(file.read_bytes() + key.private_bytes(pem, private, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    kept = Kept()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True)
    controller.start()
    try:
        yield MailServer("127.0.0.1", port, "starttls", "magazin@example.ro", "Magazinul Țăndărică"), file, kept
    finally:
        controller.stop()


def test_starttls_with_a_certificate_that_nobody_vouches_for_gets_no_mail(tmp_path: Path) -> None:
    with secure_server(tmp_path) as (server, _, kept):
        answer = MailGateway(server).send(envelope())
    assert answer == Answer(Outcome.AGAIN, "unreachable", "SSLCertVerificationError")
    assert kept.mails == []


def test_over_a_trusted_starttls_text_html_and_files_come_back_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secure_server(tmp_path) as (server, certificate, kept):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        gateway = MailGateway(server)
        assert gateway.send(envelope()).outcome is Outcome.SENT
        gateway.close()
    ((to, data),) = kept.mails
    mail: Any = message_from_bytes(data, policy=policy.default)
    assert (to, mail["To"], mail["Subject"]) == ("ana@x.ro", "ana@x.ro", "Factura ț")
    assert mail["From"].addresses[0].display_name == "Magazinul Țăndărică"
    assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n") == "Bună\n.\nziua\n"
    assert mail.get_body(("html",)).get_content().strip() == "<p>Bună „ziua”</p>"
    assert [(one.get_filename(), one.get_payload(decode=True)) for one in mail.iter_attachments()] == [
        (file.name, file.content) for file in FILES
    ]


def test_a_server_that_offers_no_starttls_is_not_spoken_to_in_the_clear() -> None:
    with mail_server() as box:
        answer = MailGateway(MailServer("127.0.0.1", box.port, "starttls", "magazin@example.ro")).send(envelope())
    assert (answer.outcome, answer.reason, box.mails) == (Outcome.AGAIN, "login_refused", [])


@pytest.mark.parametrize("utf8", [True, False])
def test_an_address_in_utf8_is_sent_to_where_the_server_takes_it(utf8: bool) -> None:
    with mail_server(utf8=utf8) as box:
        gateway = MailGateway(server_of(box.url, None))
        answer = gateway.send(envelope("ștefan@țară.ro", files=()))
        gateway.close()
    if not utf8:
        assert answer == Answer(Outcome.REFUSED, "address_needs_smtputf8")
        return
    assert answer.outcome is Outcome.SENT
    ((to, data),) = box.mails
    assert to == "ștefan@xn--ar-kla13i.ro"
    assert "To: ștefan@".encode() in data


@pytest.mark.parametrize("to", ["", "ana", "a@b@c.ro", "ana@x.ro, ion@x.ro", "ș..a@x.ro", ".ș@x.ro", "ana@x.ro\r\nRSET", "@x.ro"])
def test_what_is_no_address_is_refused_before_anything_is_said(to: str) -> None:
    assert MailGateway(MailServer("127.0.0.1", 9, "insecure", "magazin@example.ro")).send(envelope(to)) == Answer(
        Outcome.REFUSED, "address_invalid"
    )
