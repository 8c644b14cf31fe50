"""Certificates of an authority that nobody trusts until told to."""

import ssl

import trustme


def certified(authority: trustme.CA, name: str = "127.0.0.1", *more: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, *more).configure_cert(context)
    return context
