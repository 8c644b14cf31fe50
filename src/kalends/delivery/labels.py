"""Labels, in the reader's language."""

from kalends.words.sentences import marked
from kalends.words.sentences import translate as _

BUSY = marked("Busy")
PHONE = marked("Phone")
SEE = marked("See it here:")
WHERE = marked("Where")
_LABEL = marked("{label}:")


def label(language: str, text: str) -> str:
    """Return a text with the colon that the language puts after labels, unless it has one, or asks."""
    return text if text.endswith((":", "?")) else _(language, _LABEL).format(label=text)


def labelled(language: str, name: str, text: str) -> str:
    """Return a text after its label, whose name is a sentence of the catalogues."""
    return f"{label(language, _(language, name))} {text}"
