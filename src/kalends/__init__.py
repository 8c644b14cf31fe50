"""Kalends, a self-hosted appointment server."""

from importlib.metadata import version

VERSION = version("kalends")
"""As the package says it (pyproject.toml)."""
