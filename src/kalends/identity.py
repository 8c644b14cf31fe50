"""An identity provider (OpenID Connect), by which people of the staff sign in: where it asks who they are,
and what it says of them. Codes come with PKCE (RFC 7636). The operator named the provider, so it may be in
the operator's own network."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx

from kalends.core.identities import Identity
from kalends.network import client

TIMEOUT_SECONDS = 10
"""How long the provider may take for all it is asked of one person."""
_WELL_KNOWN = "/.well-known/openid-configuration"
_SCOPE = "openid email"
_SIGNED_BY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""None that the client's own secret would do for."""
_KINDS_OF_KEYS = ("RSA", "EC", "OKP")
_LEEWAY_SECONDS = 60
"""How far the clocks of two servers may be apart."""
_LONGEST = 255
"""How many characters a subject has at most (OpenID Connect Core, section 2)."""


class NoIdentity(Exception):  # noqa: N818 - a person is told that it did not work
    """Raised if the provider says nothing that can be believed. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What goes with one person's way to the provider and back: nobody else knows it."""

    state: str
    nonce: str
    verifier: str


class Provider:
    """An identity provider, asked over connections that are kept open."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """Raise ModuleNotFoundError if what verifies signatures is not installed."""
        try:
            from joserfc import jwk, jwt  # which only servers with a provider need
        except ModuleNotFoundError:
            raise ModuleNotFoundError("KALENDS_OIDC_ISSUER needs: pip install kalends[oidc]") from None
        self._jwk, self._jwt = jwk, jwt
        self.issuer = issuer
        self._client_id, self._client_secret = client_id, client_secret
        self._timeout_seconds = timeout_seconds
        self._client = client(allow_private=True, timeout_seconds=timeout_seconds)

    @property
    def name(self) -> str:
        """What people know it by: its host."""
        return httpx.URL(self.issuer).host

    async def address(self, back: str, asked: Asked) -> str:
        """Return where a person says who they are; then they are led `back`. Raises NoIdentity."""
        async with self._in_time():
            about = await self._about()
        digest = hashlib.sha256(asked.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": back,
            "scope": _SCOPE,
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        begin = _text(about, "authorization_endpoint")
        return f"{begin}{'&' if '?' in begin else '?'}{urlencode(query)}"

    async def identity(self, back: str, code: str, asked: Asked, now: float) -> Identity:
        """Return who a person is who has come `back` with a code. `now` is in seconds since 1970. Raises
        NoIdentity."""
        async with self._in_time():
            about = await self._about()
            token = await self._token(about, back, code, asked)
            keys = await self._ask("GET", _text(about, "jwks_uri"))
            claims = await asyncio.to_thread(self._claims, _text(token, "id_token"), keys, asked.nonce, now)
            said: Mapping[str, Any] = claims
            if "email" not in claims and "userinfo_endpoint" in about:
                bearer = {"Authorization": f"Bearer {_text(token, 'access_token')}"}
                said = await self._ask("GET", _text(about, "userinfo_endpoint"), headers=bearer)
        if said.get("sub") != claims["sub"]:
            raise NoIdentity("the provider speaks of two people at once")
        email = said.get("email")
        is_theirs = said.get("email_verified") is True and isinstance(email, str)
        return Identity(self.issuer, claims["sub"], email if is_theirs else None)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _about(self) -> Mapping[str, Any]:
        about = await self._ask("GET", self.issuer.rstrip("/") + _WELL_KNOWN)
        if about.get("issuer") != self.issuer:
            raise NoIdentity(f"the provider calls itself {about.get('issuer')!r:.200}, not {self.issuer!r}")
        return about

    async def _token(self, about: Mapping[str, Any], back: str, code: str, asked: Asked) -> Mapping[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        form["code_verifier"] = asked.verifier
        ways = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        auth = None
        if self._client_secret and "client_secret_basic" in ways:
            auth = httpx.BasicAuth(quote_plus(self._client_id), quote_plus(self._client_secret))
        else:
            form["client_id"] = self._client_id
            if self._client_secret:
                form["client_secret"] = self._client_secret
        return await self._ask("POST", _text(about, "token_endpoint"), data=form, auth=auth)

    def _claims(self, token: str, keys: Mapping[str, Any], nonce: str, now: float) -> dict[str, Any]:
        """Return what a signed token says, if it is by the provider, for this server, and about this
        question (OpenID Connect Core, section 3.1.3.7)."""
        try:
            good = [
                each
                for each in keys["keys"]
                if each.get("kty") in _KINDS_OF_KEYS and each.get("use", "sig") == "sig"
            ]
            found = self._jwt.decode(token, self._jwk.KeySet.import_key_set({"keys": good}), _SIGNED_BY)
            expected = {"iss": self.issuer, "aud": self._client_id, "nonce": nonce}
            options: dict[str, Any] = {
                name: {"essential": True, "value": value} for name, value in expected.items()
            }
            options |= {name: {"essential": True} for name in ("sub", "exp", "iat")}
            rules = self._jwt.JWTClaimsRegistry(now=int(now), leeway=_LEEWAY_SECONDS, **options)
            rules.validate(found.claims)
        except Exception as error:
            raise NoIdentity(f"the provider's token is not right: {type(error).__name__}") from error
        claims: dict[str, Any] = found.claims
        if claims.get("azp", self._client_id) != self._client_id:
            raise NoIdentity("the provider's token is for another client")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST or "\x00" in subject:
            raise NoIdentity("the provider's token has no subject that can be stored")
        return claims

    async def _ask(self, method: str, url: str, **sent: Any) -> Mapping[str, Any]:
        try:
            answer = await self._client.request(method, url, **sent)
            found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError) as error:
            raise NoIdentity(f"{method} {url} failed: {type(error).__name__}") from error
        if answer.status_code != 200 or not isinstance(found, dict):
            raise NoIdentity(f"{method} {url} was answered with {answer.status_code}")
        return found

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Limit how long the requests within take together."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield
        except TimeoutError:
            raise NoIdentity(f"the provider took longer than {self._timeout_seconds:g} seconds") from None


def _text(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name)
    if not isinstance(found, str):
        raise NoIdentity(f"the provider says no {name}")
    return found
