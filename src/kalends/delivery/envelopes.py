"""What goes around every mail: its headers, and the templates of what is in it."""

import re
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, make_msgid, quote
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from kalends.delivery.labels import label
from kalends.delivery.mailboxes import deliverable, in_ascii
from kalends.delivery.plain_text import one_line
from kalends.words.sentences import translate as _

_HERE = Path(__file__).parent
_SHORT = 60
"""How long a name may be to fit into one line."""


def envelope(
    subject: str, host: str, sender: str, name: str, recipient: str, now: datetime, *, id_: str | None = None
) -> EmailMessage:
    """Return a mail without content from `sender`, an ASCII address shown as `host`, to an address. `id_` is
    the first part of its Message-ID. Raises ValueError if the recipient's address is none."""
    mail = EmailMessage(policy=SMTP)
    domain = sender.rpartition("@")[2]
    mail["Subject"] = _subject(subject)
    mail["From"] = mailbox("From", host, sender)
    mail["To"] = mailbox("To", name, deliverable(recipient))
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = make_msgid(domain=domain) if id_ is None else f"<{id_}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    return mail


def fill(mail: EmailMessage, template: str, language: str, shown: dict[str, Any]) -> None:
    """Write a mail's text and HTML by the templates of a name."""
    environment = _environment(language)
    mail.set_content(environment.get_template(f"{template}.txt").render(shown))
    mail.add_alternative(environment.get_template(f"{template}.html").render(shown), subtype="html")


def trial(address: str, host: str, sender: str, now: datetime) -> EmailMessage:
    """Write a mail that only says that mails arrive, from `sender`, shown as `host`. Raises ValueError if the
    address is none."""
    mail = envelope(f"Test mail from {host}", host, sender, address, address, now)
    mail.set_content("This is a test: mails from Kalends arrive at this address.\n")
    return mail


class _Header(str):
    """A header that is sent as it is. The standard library would parse it and write it again, and turn names
    that are long, or look encoded, into other addresses and other headers."""

    name: str

    def fold(self, *, policy: Policy) -> str:
        """Return the header's line, as `email.policy` asks of every header."""
        return f"{self.name}: {self}{policy.linesep}"


def _subject(text: str) -> _Header:
    text = one_line(text)
    charset = "us-ascii" if _is_plain(text) else "utf-8"
    return _header("Subject", Header(text, charset, header_name="Subject").encode(linesep="\r\n"))


def mailbox(name: str, shown: str, address: str) -> _Header:
    """Return a header of one address, shown by a name."""
    shown = one_line(shown)
    if _is_plain(shown) and len(shown) <= _SHORT:
        encoded = f'"{quote(shown)}"'
    else:
        encoded = Header(shown, "utf-8", header_name=name).encode(linesep="\r\n")
    return _header(name, f"{encoded}\r\n <{address}>")


def answerable(address: str | None) -> str | None:
    """Return an address that every reader can answer to, whatever their mail server supports; else None."""
    known = None if address is None else in_ascii(address)
    return known if known is not None and re.fullmatch(r"[!-~]+", known) else None


def _is_plain(text: str) -> bool:
    """Return whether a text needs no encoding, and does not look encoded."""
    return text.isascii() and "=?" not in text


def _header(name: str, value: str) -> _Header:
    header = _Header(value)
    header.name = name
    return header


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["_"] = lambda sentence: _(language, sentence)
    environment.globals["label"] = partial(label, language)
    return environment
