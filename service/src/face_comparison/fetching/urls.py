"""Strict parsers for the two kinds of image URLs, HTTP and S3. No I/O.

Malformed URLs are rejected, never repaired: parsers often disagree on the host of an unusual URL, and attackers use
that difference to bypass SSRF guards. Messages quote nothing of a URL but its scheme, because URLs may contain secrets.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import idna

from face_comparison.errors import UrlNotAllowed

MAX_LENGTH = 8192
"""Maximum length of a URL in characters. Signed URLs have 2,000 to 3,000; servers commonly accept 8,192."""

_PORTS = {"http": 80, "https": 443}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]@:]+))(?::(?P<port>[0-9]{0,5}))?")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
# All characters that RFC 3986 allows unescaped in a path and query, and the percent sign, so that existing escapes are
# preserved.
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_S3_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """An http or https URL, ready to be resolved and requested.

    Attributes:
        scheme: `http` or `https`.
        host: Host for allow-lists, certificates, and the Host header: ASCII, lower case, no final dot, no brackets.
        lookup: Host for the resolver: with the final dot, if any, which disables search domains.
        port: The port, given or implied by the scheme.
        target: Path and query, percent-encoded.
    """

    scheme: str
    host: str
    lookup: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The Host header: includes the port if it is not the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The URL as it is sent: normalized, without a fragment."""
        return f"{self.scheme}://{self.authority}{self.target}"


@dataclass(frozen=True, slots=True)
class S3Url:
    """An object in a bucket, or several with `key` as a prefix. Percent-encoding in the key is not decoded."""

    bucket: str
    key: str


def parse(url: str) -> HttpUrl | S3Url:
    """Parses an http, https or s3 URL.

    Raises:
        UrlNotAllowed: The URL has another scheme, or is malformed.
    """
    url = url.strip()
    if url[:5].lower() == "s3://":
        return parse_s3(url)
    return _http(url, "only URLs that begin with http://, https:// or s3:// can be fetched")


def resolve_redirect(url: HttpUrl, location: str) -> HttpUrl:
    """Returns the target of a redirect.

    Args:
        url: The URL that was requested.
        location: The Location header of the response.

    Raises:
        UrlNotAllowed: The target is neither http nor https, or is malformed.
    """
    try:
        return _http(urljoin(url.text, location.strip()), "a redirect leads to a URL that is neither http nor https")
    except ValueError:
        raise UrlNotAllowed("a redirect leads to a URL that is not well formed") from None


def parse_s3(url: str) -> S3Url:
    """Parses `s3://bucket/key`; the key may be empty.

    Raises:
        UrlNotAllowed: The URL has another form, or its key is too long or contains `.` or `..` as a segment.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not _BUCKET.fullmatch(bucket):
        raise UrlNotAllowed("an S3 URL has the form s3://bucket/key")
    if len(key.encode("utf-8", "surrogatepass")) > _S3_KEY_BYTES:
        raise UrlNotAllowed(f"the key of an S3 URL has at most {_S3_KEY_BYTES} bytes")
    # Some S3 servers resolve these like a file system, and could reach another bucket than the one that was checked.
    if any(part in {".", ".."} for part in key.replace("\\", "/").split("/")):
        raise UrlNotAllowed("the key of an S3 URL must not have . or .. between its slashes")
    return S3Url(bucket, key)


def _http(url: str, other_scheme: str) -> HttpUrl:
    if len(url) > MAX_LENGTH:
        raise UrlNotAllowed(f"the URL is longer than {MAX_LENGTH} characters")
    # urlsplit would silently drop line breaks and tabs. Spaces are common in file names and are encoded instead.
    if _UNPRINTABLE.search(url):
        raise UrlNotAllowed("the URL contains control characters")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UrlNotAllowed("the URL is not well formed") from None
    if parts.scheme not in _PORTS:
        raise UrlNotAllowed(other_scheme)
    lookup, port = _authority(parts.netloc)
    return HttpUrl(
        scheme=parts.scheme,
        host=lookup.removesuffix("."),
        lookup=lookup,
        port=_PORTS[parts.scheme] if port is None else port,
        target=quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_IT_IS),
    )


def _authority(netloc: str) -> tuple[str, int | None]:
    """Returns the host, with its final dot if any, and the port if one is given."""
    if "@" in netloc:
        raise UrlNotAllowed("the URL must not carry a user name or password")
    found = _AUTHORITY.fullmatch(netloc)
    if found is None:
        raise UrlNotAllowed("the URL has no valid host and port")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        raise UrlNotAllowed("the port of the URL is not between 1 and 65535")
    return (_ipv6(found["ipv6"]) if found["ipv6"] else _name(found["name"])), port


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise UrlNotAllowed("the IPv6 address of the URL is not valid") from None


def _name(text: str) -> str:
    """Returns a host name in lower-case ASCII. ASCII names may contain underscores, which container networks use."""
    try:
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise UrlNotAllowed("the host of the URL is not a valid name") from None
    if not _HOST.fullmatch(name) or len(name) > 254:
        raise UrlNotAllowed("the host of the URL is not a valid name")
    return name
