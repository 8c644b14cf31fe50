"""What is wrong when the mail server takes no mail from us, in sentences for the operator: the cause, and
which setting to look at. The same cause has the same sentences, without passwords and addresses."""

import re
import socket
import ssl

import aiosmtplib

from kalends.settings import Settings


def trouble_with(error: Exception, settings: Settings) -> str | None:
    """Return what is wrong with the server, or with us in its eyes; None if it refuses this one mail only."""
    if (trouble := _trouble(error)) is None:
        return None
    cause, advice = trouble
    return f"{_place(settings)} {cause}. {advice}"


def without_addresses(text: str) -> str:
    """Return what a server says, as far as it may be logged."""
    return re.sub(r"\S+@\S+", "…", " ".join(text.split()))[:300]


def _place(settings: Settings) -> str:
    return f"The mail server {settings.smtp_host}:{settings.smtp_port}"


def _trouble(error: Exception) -> tuple[str, str] | None:
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return _refused_us(error.recipients[0])
        case aiosmtplib.SMTPResponseException(code=421):
            return _ANY[0].format(421), _ANY[1]
        case aiosmtplib.SMTPDataError() | aiosmtplib.SMTPNotSupported():
            return None
        case aiosmtplib.SMTPAuthenticationError():
            return (
                f"refuses the login ({error.code})",
                "Are KALENDS_SMTP_USER and KALENDS_SMTP_PASSWORD right?",
            )
        case aiosmtplib.SMTPSenderRefused():
            return _SENDER[0].format(error.code), _SENDER[1]
        case aiosmtplib.SMTPResponseException():
            return _ANY[0].format(error.code), _ANY[1]
        case aiosmtplib.SMTPConnectTimeoutError() | TimeoutError():
            return (
                "gives no answer in time",
                "Are KALENDS_SMTP_HOST and KALENDS_SMTP_PORT right, and does a firewall let us through? "
                + _PORTS,
            )
    return _of_connecting(error)


def _refused_us(refused: aiosmtplib.SMTPRecipientRefused) -> tuple[str, str] | None:
    """Return what a server has against the sender: many (Postfix, for one) say so only at the recipient."""
    answer = refused.message.lower()
    if refused.code == 421 or "client host" in answer or "helo command" in answer:
        cause, advice = _ANY
    elif refused.code == 530 or "relay" in answer or "authentication" in answer:
        cause, advice = _RELAY
    elif "sender" in answer:
        cause, advice = _SENDER
    else:
        return None
    return cause.format(refused.code), advice


_ANY = "refuses us ({})", "See its log, or ask its operator."
_RELAY = (
    "takes no mails from us without a login ({})",
    "Set KALENDS_SMTP_USER and KALENDS_SMTP_PASSWORD, or let it relay for this machine.",
)
_SENDER = (
    "refuses the sender ({})",
    "May KALENDS_SMTP_USER send as KALENDS_SMTP_FROM, or does it want a login?",
)
_PORTS = "(Port 465 wants KALENDS_SMTP_TLS=tls, port 587 starttls.)"


def _of_connecting(error: Exception) -> tuple[str, str]:
    sentence, chain = str(error), _chain(error)
    for class_, (what, advice) in _CLASSES:
        for cause in chain:
            if isinstance(cause, class_):
                return what.format(why=getattr(cause, "verify_message", "")), advice
    for words, trouble in _WORDS:
        if words in sentence:
            return trouble
    return f"can't be used ({type(error).__name__})", "Are the settings KALENDS_SMTP_… right?"


_REFUSED = "refuses the connection", "Is it up, and are KALENDS_SMTP_HOST and KALENDS_SMTP_PORT right?"
_LOGIN = "takes no login", f"Leave KALENDS_SMTP_USER out, or does KALENDS_SMTP_TLS not fit the port? {_PORTS}"
_WORDS = (
    ("AUTH", _LOGIN),
    ("authentication", _LOGIN),
    ("STARTTLS", ("offers no STARTTLS", f"Does KALENDS_SMTP_TLS fit the port? {_PORTS}")),
    ("Connect call failed", _REFUSED),  # of several addresses each
    ("onnection", ("breaks off the connection", f"Does KALENDS_SMTP_TLS fit the port? {_PORTS}")),
)
_CLASSES: tuple[tuple[type[BaseException], tuple[str, str]], ...] = (
    (
        socket.gaierror,
        ("can't be found: its name is unknown", "Is KALENDS_SMTP_HOST right, and does DNS work?"),
    ),
    (
        ssl.SSLCertVerificationError,
        (
            "has a certificate that is not valid ({why})",
            "KALENDS_SMTP_HOST must be the name in it, and this machine must trust its issuer "
            "(SSL_CERT_FILE names others to trust).",
        ),
    ),
    (ssl.SSLError, ("fails at TLS", f"Does KALENDS_SMTP_TLS fit the port? {_PORTS}")),
    (ConnectionRefusedError, _REFUSED),
    (PermissionError, ("may not be reached from here", "Does a firewall forbid it?")),
)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
