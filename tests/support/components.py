"""What a calendar program reads in a component of a file."""

from typing import Any

from icalendar import Component


def value(component: Component, name: str) -> Any:
    """Return a property that the component has. icalendar's own type for it is all thirty that it knows."""
    return component[name]
