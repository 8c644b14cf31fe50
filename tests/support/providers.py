"""An identity provider at a free port, of which everybody is who they say they are."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import httpx

with warnings.catch_warnings():
    import authlib.deprecate  # noqa: F401 - which has its warnings shown

    warnings.simplefilter("ignore")  # for the provider uses what its libraries will give up
    from oidc_provider_mock import User, run_server_in_thread


@contextlib.contextmanager
def provider(**claims: dict[str, Any]) -> Iterator[str]:
    """Run a provider for the length of a block. `claims` are what it says of people, by their subjects.
    Yields its issuer."""
    users = [User(sub=subject, claims=said) for subject, said in claims.items()]
    with run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


async def say(address: str, subject: str) -> str:
    """Say who one is, at the address to which one was led. Returns where one is led then."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.post(address, data={"sub": subject})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]
