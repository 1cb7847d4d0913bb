"""Parses the text of option values. Each parser raises ValueError with a message that says what would be valid."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]")


def text(value: str) -> str:
    """Parses text that must not be empty."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def optional_text(value: str) -> str | None:
    """Parses text; empty: None."""
    return value.strip() or None


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Returns a parser of whole numbers between two bounds."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}") from None
        if not minimum <= number <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}")
        return number

    return read


def auto_or(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Returns a parser that maps `auto` to None and passes anything else to `read`."""
    return lambda value: None if value.strip().lower() == "auto" else read(value)


def seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    """Returns a parser of durations in seconds between two bounds."""

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"must be a number of seconds from {minimum:g} to {maximum:g}") from None
        if not minimum <= number <= maximum:  # false for NaN, too
            raise ValueError(f"must be from {minimum:g} to {maximum:g} seconds")
        return number

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    """Returns a parser of one of several words, in any case."""

    def read(value: str) -> str:
        if value.strip().lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value.strip().lower()

    return read


def store_url(value: str) -> str | None:
    """Parses the URL of a collection store; empty: None."""
    value = value.strip()
    known = ("sqlite:", "postgresql://", "postgres://")
    if value and not any(value.startswith(prefix) and value != prefix for prefix in known):
        raise ValueError("must be sqlite:DIRECTORY or postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return value or None


def optional_integer(minimum: int, maximum: int) -> Callable[[str], int | None]:
    """Returns a parser of whole numbers between two bounds; empty: None."""
    read = integer(minimum, maximum)
    return lambda value: read(value) if value.strip() else None


def dns_label(value: str) -> str:
    """Parses a DNS label."""
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("must be one DNS label: at most 63 lower-case letters, digits and inner hyphens")
    return value


def optional_dns_label(value: str) -> str | None:
    """Parses a DNS label; empty: None."""
    return dns_label(value) if value.strip() else None


class InvalidItem(ValueError):
    """An item of a list is invalid; the message quotes it."""


def list_of(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Returns a parser of comma-separated items."""
    return lambda value: tuple(read(item.strip()) for item in value.split(",") if item.strip())


def host(value: str) -> str:
    """Parses a host name, an address, or a CIDR."""
    if "/" in value:
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            raise InvalidItem(f"{value!r} is not a CIDR such as 10.0.0.0/8") from None
    try:
        return str(ipaddress.ip_address(value.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    name = value.lower()
    # A name whose last part is a number is a mistyped address: there are no numeric top-level domains.
    if not _HOST_NAME.fullmatch(name) or name.rstrip(".").rpartition(".")[2].isdigit():
        raise InvalidItem(f"{value!r} is not a host name, address, or CIDR")
    return name.rstrip(".")


def network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Parses an address or a CIDR."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise InvalidItem(f"{value!r} is not an address or a CIDR such as 10.0.0.0/8") from None
    if network.prefixlen == 0:
        raise InvalidItem(f"{value!r} matches everyone: list only the proxies")
    return network


def bucket(value: str) -> str:
    """Parses the name of an S3 bucket."""
    if not _BUCKET.fullmatch(value.lower()):
        raise InvalidItem(f"{value!r} is not a bucket name")
    return value
