"""`?with=made`: what a key or a person has made goes with it."""

from typing import Annotated, Literal

from fastapi import Query

With = Annotated[
    Literal["made"] | None,
    Query(
        alias="with",
        description="`made`: revoke, end and delete everything that it or they have made, too, and what the "
        "keys and people among that have made.",
    ),
]
