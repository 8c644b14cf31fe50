"""Clients of an application that is called over ASGI."""

import httpx
from fastapi import FastAPI


def client_of(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    """A client with this key, or with none."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://kalends.test", headers=headers
    )
