"""Writing mails with a link by which somebody of the staff signs in, in their language."""

from datetime import datetime
from email.message import EmailMessage

from kalends.delivery.envelopes import envelope, fill
from kalends.delivery.mailboxes import in_ascii
from kalends.delivery.plain_text import one_line
from kalends.schemas.letters import Invitation
from kalends.words.dates import moment_in_words
from kalends.words.languages import language_of, locale_of
from kalends.words.sentences import marked
from kalends.words.sentences import translate as _

_SUBJECT = marked("Your link to sign in: {host}")
_OPENING = marked("By this link you sign in to the pages for the staff of {host}.")
_UNTIL = marked("The link works once, until {until}.")
_ADVICE = marked("Keep it to yourself. If you don't know why you got it, you need not do anything.")


def written(invitation: Invitation, sender: str, now: datetime, base: str) -> EmailMessage:
    """Write a mail from `sender`. `base` is the server's address, where the link leads."""
    language, host = language_of(invitation.language), one_line(invitation.host)
    until = moment_in_words(invitation.until, invitation.timezone, locale_of(invitation.language))
    subject = _(language, _SUBJECT).format(host=host)
    mail = envelope(
        subject, host, in_ascii(sender), invitation.name, invitation.address, now, id_=invitation.id
    )
    shown = {
        "language": language,
        "name": one_line(invitation.name),
        "opening": _(language, _OPENING).format(host=host),
        "link": f"{base}/staff/enter/{invitation.link}",
        "until": _(language, _UNTIL).format(until=until),
        "advice": _(language, _ADVICE),
    }
    fill(mail, "invitation", language, shown)
    mail["Content-Language"] = language  # of the whole: before, it would go to the first part only
    return mail
