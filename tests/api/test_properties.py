"""A thousand bodies of every kind, good and bad, to each database: never a 5xx, never a row too many."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.answers import CODES, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import everyday_on_sqlite
from tests.support.organizations import Org, make_org, stored

pytestmark = pytest.mark.slow

PATH = "/v1/calendar/appointments"

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
starts = st.one_of(
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: f"{moment:%Y%m%dT%H%M}Z".zfill(14)),
    st.from_regex(
        r"20[0-9]{2}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9](:[0-5][0-9])?(Z|[+-][0-9]{2}:?[0-9]{2})?"
    ),
    st.from_regex(r"[0-9]{4}-?W[0-5][0-9]-?[1-7]T[0-9]{2}Z", fullmatch=True),
    st.text("0123456789-:TZW+. ", max_size=30),
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 12).flatmap(lambda chance: anything if chance == 12 else good)


def bodies(org: Org) -> st.SearchStrategy[Any]:
    return mostly(
        st.fixed_dictionaries(
            {
                "appointment_type_id": mostly(st.just(org.type_id)),
                "start_time": mostly(starts),
                "client_name": mostly(st.text(min_size=1)),
            },
            optional={
                "client_email": mostly(st.emails()),
                "client_phone": mostly(st.from_regex(r"\+?[0-9 ()-]{3,20}", fullmatch=True)),
                "client_language": mostly(st.sampled_from(["en", "de-AT", "pt_BR", "zz-zz-zz", "x"])),
                "client_notes": mostly(st.text()),
                "internal_notes": mostly(st.text()),
                "calendar_id": mostly(st.just(org.calendar_id)),
                "check": mostly(st.sampled_from(["conflicts", "none"])),
                "unknown": anything,
            },
        ),
    )


@everyday_on_sqlite("examples", everyday=200, torture=5_000)
def test_create_with_bodies_of_every_kind(url: str, examples: int) -> None:
    with asyncio.Runner() as runner:
        app = create_app(Settings(database_url=url, worker=False), clock=StoppedClock())
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        try:
            db = app.state.context.database
            org = runner.run(make_org(db, StoppedClock().now()))
            client = client_of(app, org.key)
            booked = 0

            async def send(body: Any) -> httpx.Response:
                content = json.dumps(body)
                return await client.post(PATH, content=content, headers={"Content-Type": "application/json"})

            @settings(max_examples=examples)
            @given(body=bodies(org))
            def try_one(body: Any) -> None:
                nonlocal booked
                response = runner.run(send(body))
                if response.status_code == 200:
                    booked += 1
                else:
                    code = response.json()["code"]
                    assert CODES[code] < 500, response.text
                    refused(response, response.status_code, code)
                assert runner.run(stored(db, org)) == booked

            try_one()
            assert booked > examples // 20
            runner.run(client.aclose())
        finally:
            runner.run(lifespan.__aexit__(None, None, None))
