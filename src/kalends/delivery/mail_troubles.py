"""What is wrong when the mail server takes no mail of ours, in sentences for its operator: the cause, and
which setting to look at. They are the same for the same cause, without passwords and addresses."""

import re
import socket
import ssl

import aiosmtplib

from kalends.settings import Settings


def trouble_with(error: Exception, settings: Settings) -> str | None:
    """What is wrong with the server, or with us in its eyes; None where it refuses no more than the one
    mail."""
    told = _trouble(error)
    if told is None:
        return None
    cause, advice = told
    return f"{_place(settings)} {cause}. {advice}"


def without_addresses(text: str) -> str:
    """What a server says, as far as the log may have it."""
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
    """Many servers (Postfix, for one) say at the recipient what they have against the sender, too."""
    said = refused.message.lower()
    if refused.code == 421 or "client host" in said or "helo command" in said:
        cause, advice = _ANY
    elif refused.code == 530 or "relay" in said or "authentication" in said:
        cause, advice = _RELAY
    elif "sender" in said:
        cause, advice = _SENDER
    else:
        return None
    return cause.format(refused.code), advice


_ANY = "refuses us ({})", "See its log, or ask whoever runs it."
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
    said, chain = str(error), _chain(error)
    for kind, told in _KINDS:
        for cause in chain:
            if isinstance(cause, kind):
                why = getattr(cause, "verify_message", "")
                return told[0].format(why=why), told[1]
    for words, told in _WORDS:
        if words in said:
            return told
    return f"can't be used ({type(error).__name__})", "Are the settings KALENDS_SMTP_… right?"


_REFUSED = "refuses the connection", "Is it up, and are KALENDS_SMTP_HOST and KALENDS_SMTP_PORT right?"
_LOGIN = "takes no login", f"Leave KALENDS_SMTP_USER out, or does KALENDS_SMTP_TLS not fit the port? {_PORTS}"
_WORDS = (
    ("AUTH", _LOGIN),
    ("authentication", _LOGIN),
    ("STARTTLS", ("offers no STARTTLS", f"Does KALENDS_SMTP_TLS fit the port? {_PORTS}")),
    ("Connect call failed", _REFUSED),  # of several addresses each
    ("onnection", ("breaks the connection off", f"Does KALENDS_SMTP_TLS fit the port? {_PORTS}")),
)
_KINDS: tuple[tuple[type[BaseException], tuple[str, str]], ...] = (
    (
        socket.gaierror,
        ("can't be found: its name is unknown", "Is KALENDS_SMTP_HOST right, and does DNS work?"),
    ),
    (
        ssl.SSLCertVerificationError,
        (
            "has a certificate that is not good ({why})",
            "KALENDS_SMTP_HOST must be the name in it, and this machine must trust who issued it "
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
