"""The application: everything put together, nothing decided."""

import asyncio
import contextlib
import functools
import gc
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from kalends import VERSION, zone_data
from kalends.api import (
    appointment_types,
    appointments,
    availability,
    blocks,
    calendars,
    clients,
    days,
    docs,
    events,
    feeds,
    health,
    holds,
    mails,
    manage,
    organization,
    overrides,
    people,
    public,
    schedules,
    slots,
    sources,
    webhooks,
)
from kalends.api.body_limit import BodyLimit
from kalends.api.compression import Compression
from kalends.api.context import Context
from kalends.api.cors import Cors
from kalends.api.document import document, operation_id
from kalends.api.errors import HANDLERS
from kalends.api.gate import Gate
from kalends.api.head import Head
from kalends.api.kept_files import KeptFiles
from kalends.api.key_use import KeyUse
from kalends.api.last_net import LastNet
from kalends.api.once import Once
from kalends.api.picture_body import MOST_BYTES
from kalends.api.prefix import Prefix
from kalends.api.proxies import Proxies
from kalends.api.public_bookings import PublicBookings
from kalends.api.rate_limits import RateLimits
from kalends.api.readiness import Readiness
from kalends.api.request_log import RequestLog
from kalends.api.validation import on_validation
from kalends.clock import Clock, SystemClock
from kalends.db.batches import Batches
from kalends.db.opening import open_database
from kalends.identity import Provider
from kalends.metrics import Metrics
from kalends.pace import Pace
from kalends.services.booking import manage_links
from kalends.services.booking.slots import next_available_for_each
from kalends.services.leaving.feeds import find as find_feeds
from kalends.services.setup import keys, organizations, sessions
from kalends.settings import Settings
from kalends.shares import Share, Shares
from kalends.telemetry import configure
from kalends.tracing import tracing
from kalends.web import (
    account,
    booking,
    corrections,
    embed,
    files,
    first_run,
    front,
    held,
    moving,
    settings_calendars,
    settings_closures,
    settings_deliveries,
    settings_feeds,
    settings_hours,
    settings_keys,
    settings_leaving,
    settings_logo,
    settings_mails,
    settings_organization,
    settings_people,
    settings_sources,
    settings_types,
    settings_webhooks,
    sign_in,
    staff_appointments,
    staff_blocks,
    staff_bookings,
    staff_calendar,
    staff_changes,
    staff_clients,
    staff_colors,
    staff_details,
    staff_lists,
    staff_months,
    staff_moves,
    staff_oidc,
    staff_passkeys,
    staff_requests,
    staff_settings,
)
from kalends.web import manage as manage_pages
from kalends.web.guard import Guard
from kalends.web.headers import Headers
from kalends.web.refusals import Refusals
from kalends.web.staff_visits import NotSignedInError, lead_to_sign_in
from kalends.web.uploads import MOST_SENT
from kalends.worker import work
from kalends.zone_watch import watch

BODY_LIMIT = 64 * 1024
FORM_LIMIT = 256 * 1024


def create_app(settings: Settings, *, clock: Clock | None = None) -> FastAPI:
    """Return the ASGI application. It opens the database when it starts, and does not migrate it."""
    version = zone_data.choose()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = open_database(settings.database_url, pool_size=settings.database_pool_size, told=True)
        rate_limits = RateLimits(settings.rate_limit_storage)
        provider = _provider(settings)
        key_use = KeyUse(database, rate_limits)
        pace = Pace()
        metrics, traces = Metrics() if settings.metrics else None, tracing()
        if metrics is not None:
            metrics.zone_data(version)
        app.state.context = Context(
            settings=settings,
            database=database,
            clock=clock or SystemClock(),
            callers=Batches(database, keys.find),
            hosts=Batches(database, organizations.hosts),
            members=Batches(database, sessions.find),
            front=Batches(database, organizations.front),
            links=Batches(database, manage_links.find),
            feeds=Batches(database, find_feeds),
            suggestions=Batches(database, next_available_for_each),
            suggestions_for_clients=Batches(database, next_available_for_each),
            shares=Shares(),
            files=KeptFiles(Share(2, patience=10)),
            document=Once(lambda: json.dumps(app.openapi(), separators=(",", ":")).encode()),
            metrics=metrics,
            tracing=traces,
            pace=pace,
            rate_limits=rate_limits,
            key_use=key_use,
            readiness=Readiness(database, clock or SystemClock(), version),
            public_bookings=PublicBookings(rate_limits),
            provider=provider,
        )
        tasks = [
            asyncio.create_task(key_use.flush_forever()),
            asyncio.create_task(watch(database, clock or SystemClock(), version)),
        ]
        if settings.worker:
            tasks.append(asyncio.create_task(work(settings, database, clock or SystemClock(), metrics, pace)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await key_use.flush()
            await rate_limits.close()
            if provider is not None:
                await provider.close()
            await database.close()
            if traces is not None:
                traces.close()

    app = FastAPIOffline(
        title="Kalends",
        version=VERSION,
        lifespan=lifespan,
        middleware=_middleware(settings),
        exception_handlers={
            **HANDLERS,
            RequestValidationError: on_validation,
            NotSignedInError: lead_to_sign_in,
        },
        strict_content_type=False,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        docs_url=None,
        redoc_url=None,
        static_url=docs.ASSETS,
    )
    # FastAPI's own would write the document again for every request, in the event loop.
    app.router.routes[:] = [each for each in app.routes if getattr(each, "path", None) != docs.ADDRESS]
    app.routes.extend(_routes())
    app.openapi = lambda: document(app, settings.public_url)  # type: ignore[method-assign]  # FastAPI's way to extend it
    return app


def from_environment() -> ASGIApp:
    """Return the application of a server process, with the settings and behind the proxies of its
    environment."""
    settings = Settings()
    configure(settings.log_level)
    app = Proxies(create_app(settings), trusted=settings.trusted_proxies)
    # What start-up made lives as long as the process, so no later collection needs to look at it.
    gc.collect()
    gc.freeze()
    return app


@functools.cache
def _routes() -> list[BaseRoute]:
    """Return the routes of every feature. FastAPI prepares them at their first request, which takes longer
    than the request itself, so all applications of a process share them."""
    ours = APIRouter(generate_unique_id_function=operation_id, strict_content_type=False)
    for feature in (
        appointments,
        clients,
        appointment_types,
        slots,
        days,
        holds,
        availability,
        schedules,
        overrides,
        calendars,
        sources,
        blocks,
        organization,
        people,
        events,
        webhooks,
        mails,
        feeds,
        public,
        manage,
        health,
        docs,
        files,
        embed,
        front,
        staff_calendar,
        staff_changes,
        staff_months,
        staff_lists,
        staff_clients,
        staff_colors,
        staff_appointments,
        staff_moves,
        staff_requests,
        staff_details,
        staff_bookings,
        staff_blocks,
        staff_settings,
        settings_people,
        settings_leaving,
        settings_keys,
        first_run,
        settings_logo,
        settings_organization,
        settings_types,
        settings_hours,
        settings_closures,
        settings_calendars,
        settings_webhooks,
        settings_deliveries,
        settings_feeds,
        settings_mails,
        settings_sources,
        booking,
        held,
        manage_pages,
        moving,
        corrections,
        sign_in,
        account,
        staff_passkeys,
        staff_oidc,
    ):
        ours.include_router(feature.router)
    return ours.routes


def _provider(settings: Settings) -> Provider | None:
    """Return the identity provider of the staff, if there is one."""
    if not settings.oidc_issuer:
        return None
    secret = settings.oidc_client_secret.get_secret_value()
    return Provider(settings.oidc_issuer, settings.oidc_client_id, secret)


def _middleware(settings: Settings) -> list[Middleware]:
    """Return the middleware, outermost first. It is pure ASGI: one BaseHTTPMiddleware halves the speed."""
    everywhere = settings.cors_origins
    cors = Middleware(Cors, everywhere=everywhere, public=(*everywhere, *settings.public_cors_origins))
    by_path = {"/v1/organization/logo": MOST_BYTES, settings_logo.PATH: MOST_SENT}
    limit = Middleware(BodyLimit, limit=BODY_LIMIT, forms=FORM_LIMIT, by_path=by_path)
    net = Middleware(LastNet)
    prefix = Middleware(Prefix, public_url=settings.public_url)
    outer = [Middleware(RequestLog), net, prefix, Middleware(Head), Middleware(Compression)]
    pages = [Middleware(Headers), Middleware(Refusals)]
    return [*outer, cors, *pages, net, Middleware(Gate), net, Middleware(Guard), limit]
