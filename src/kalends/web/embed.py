"""`/embed.js`: the script by which other sites show booking pages."""

import json
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from kalends.words.languages import LANGUAGES
from kalends.words.sentences import marked, translate

FILE = Path(__file__).with_suffix(".js")
_LABEL = marked("Book an appointment")
_CLOSE = marked("Close")
_KEPT = "public, max-age=3600"
"""Its address stays, and sites should soon have a newer one."""

router = APIRouter(include_in_schema=False)


@router.get("/embed.js")
async def embed() -> Response:
    """Return the script. Sites that isolate themselves may load it, too."""
    headers = {"Cache-Control": _KEPT, "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(script(), headers=headers, media_type="text/javascript")


@cache
def script() -> str:
    """Return the script with its few words in every language."""
    words = {each: [translate(each, _LABEL), translate(each, _CLOSE)] for each in LANGUAGES}
    return FILE.read_text().replace("WORDS", json.dumps(words, separators=(",", ":")))
