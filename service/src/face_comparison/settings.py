"""Every option of the service, declared once: name, default, bounds, and help.

The command line, the environment variables, the documentation, and the checks are all derived from the fields of
`Settings`, so they cannot disagree. This module is pure: the environment is an argument, and nothing here reads a file
or inspects the machine (the server decides what `auto` means).
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from face_comparison.errors import InvalidSettings

T = TypeVar("T")

PREFIX = "FACE_COMPARISON_"

OTHER_NAMES: Mapping[str, str] = {
    "FACE_COMPARISON_BUNDLES": "folder that holds the model bundles of this machine",
    "FACE_COMPARISON_DRAW": "--draw of `detect` and `compare`",
    "FACE_COMPARISON_JSON": "--json of `compare`, `evaluate` and `collection`",
    "FACE_COMPARISON_FORMAT": "--format of `detect` and `compare`",
    "FACE_COMPARISON_FILES_FROM": "--files-from of `detect`, `compare` and `collection search`",
    "FACE_COMPARISON_NO_HASH": "--no-hash of `detect`",
    "FACE_COMPARISON_MAX_FACES": "--max-faces of `detect`",
    "FACE_COMPARISON_THRESHOLD": "--threshold of `compare`, `album`, `album assemble` and `evaluate`",
    "FACE_COMPARISON_OUT": "--out of `album`, `album assemble` and `collection export`",
    "FACE_COMPARISON_LINKS": "--links of `album` and `album assemble`",
    "FACE_COMPARISON_RESULTS": "--results of `album shard`, `album assemble` and `album job`",
    "FACE_COMPARISON_SHARD": "--shard of `album shard`",
    "FACE_COMPARISON_SHARDS": "--shards of `album shard`, `album assemble` and `album job`",
    "FACE_COMPARISON_WAIT": "--wait of `album assemble`",
    "FACE_COMPARISON_CPUS": "--cpus of `album job`",
    "FACE_COMPARISON_CLAIM": "--claim of `album job`",
    "FACE_COMPARISON_PARALLELISM": "--parallelism of `album job`",
    "FACE_COMPARISON_IMAGE": "--image of `album job`",
    "FACE_COMPARISON_NAMESPACE": "--namespace of `album job`",
    "FACE_COMPARISON_SECRET": "--secret of `album job`",
    "FACE_COMPARISON_SERVICE_ACCOUNT": "--service-account of `album job`",
    "FACE_COMPARISON_UNDO": "--undo of `album hide`",
    "FACE_COMPARISON_MIN_FACE": "--min-face of `album` and `album assemble`",
    "FACE_COMPARISON_MIN_CONFIDENCE": "--min-confidence of `detect`, `album` and `album assemble`",
    "FACE_COMPARISON_SERVICE": "--service of `detect`, `compare`, `album`, `evaluate` and `collection`",
    "FACE_COMPARISON_API_KEY": "--api-key of `detect`, `compare`, `album`, `evaluate` and `collection`",
    "FACE_COMPARISON_COLLECTION": "--collection of `collection`",
    "FACE_COMPARISON_MAX_FALSE_POSITIVE_RATE": "--max-false-positive-rate of `collection`",
    "FACE_COMPARISON_RETENTION_DAYS": "--retention-days of `collection create`",
    "FACE_COMPARISON_QUALITY_FILTER": "--quality-filter of `collection enroll`",
    "FACE_COMPARISON_ON_DUPLICATE": "--on-duplicate of `collection enroll`",
    "FACE_COMPARISON_USER": "--user of `collection delete`",
    "FACE_COMPARISON_YES": "--yes of `collection delete`",
    "FACE_COMPARISON_PAIRS": "--pairs of `evaluate`",
    "FACE_COMPARISON_GROUPS": "--groups of `evaluate`",
    "FACE_COMPARISON_REPORT": "--report of `evaluate`",
    "FACE_COMPARISON_CALIBRATE": "--calibrate of `evaluate`",
    "FACE_COMPARISON_CACHE": "--cache of `evaluate`",
    "FACE_COMPARISON_COST_FALSE_MATCH": "--cost-false-match of `evaluate`",
    "FACE_COMPARISON_COST_FALSE_NON_MATCH": "--cost-false-non-match of `evaluate`",
    "FACE_COMPARISON_PRIOR": "--prior of `evaluate`",
    "FACE_COMPARISON_SEVERAL_FACES": "--several-faces of `evaluate`",
    "FACE_COMPARISON_INTO": "--into of `models fetch`",
    "FACE_COMPARISON_SHA256": "--sha256 of `models`",
    "FACE_COMPARISON_NAME": "--name of `models add`",
    "FACE_COMPARISON_REVISION": "--revision of `models add`",
    "FACE_COMPARISON_ALIGNMENT": "--alignment of `models add`",
    "FACE_COMPARISON_ARCHITECTURE": "--architecture of `models add`",
    "FACE_COMPARISON_COLOR": "--color of `models add`",
    "FACE_COMPARISON_MEAN": "--mean of `models add`",
    "FACE_COMPARISON_STD": "--std of `models add`",
    "FACE_COMPARISON_LICENSE": "--license of `models add`",
    "FACE_COMPARISON_ROUNDS": "--rounds of `bench`",
    "FACE_COMPARISON_TOTAL": "--total of `bench`",
    "FACE_COMPARISON_MEMORY": "--memory of `bench`",
}
"""Environment variables of this program that are not options of `serve`."""

_OPERATORS = PREFIX + "OPERATOR_"

# Kubernetes tells every container about every Service of its namespace in variables such as FOO_SERVICE_HOST and
# FOO_PORT_8080_TCP. A Service whose name begins with `face-comparison` therefore makes names that look like ours.
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
_SERVICE_LINK_PORT = re.compile(r"^(tcp|udp|sctp)://")

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]")


# --- parsers of option values: each raises ValueError that says what would be right ----------------------


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _optional_text(value: str) -> str | None:
    return value.strip() or None


def _integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}") from None
        if not minimum <= number <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}")
        return number

    return read


def _auto_or(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda value: None if value.strip().lower() == "auto" else read(value)


def _seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"must be a number of seconds from {minimum:g} to {maximum:g}") from None
        if not minimum <= number <= maximum:  # false for NaN, too
            raise ValueError(f"must be from {minimum:g} to {maximum:g} seconds")
        return number

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.strip().lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value.strip().lower()

    return read


def _store_url(value: str) -> str | None:
    value = value.strip()
    known = ("sqlite:", "postgresql://", "postgres://")
    if value and not any(value.startswith(prefix) and value != prefix for prefix in known):
        raise ValueError("must be sqlite:DIRECTORY or postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return value or None


def _optional_integer(minimum: int, maximum: int) -> Callable[[str], int | None]:
    read = _integer(minimum, maximum)
    return lambda value: read(value) if value.strip() else None


def _dns_label(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("must be one DNS label: at most 63 lower-case letters, digits and inner hyphens")
    return value


def _optional_dns_label(value: str) -> str | None:
    return _dns_label(value) if value.strip() else None


class InvalidItem(ValueError):
    """An item of a list is invalid; the message quotes it."""


def _list_of(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    return lambda value: tuple(read(item.strip()) for item in value.split(",") if item.strip())


def _host(value: str) -> str:
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


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Parses an address or a CIDR."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise InvalidItem(f"{value!r} is not an address or a CIDR such as 10.0.0.0/8") from None
    if network.prefixlen == 0:
        raise InvalidItem(f"{value!r} matches everyone: list only the proxies")
    return network


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value.lower()):
        raise InvalidItem(f"{value!r} is not a bucket name")
    return value


# --- the options ----------------------------------------------------------------------------------------------------


def _option(
    default: Any, help_: str, read: Callable[[str], Any], *, shown: str | None = None, metavar: str = ""
) -> Any:
    """Declares a field of `Settings`. default: the value. shown: how it is written as text, if that differs."""
    return field(default=default, metadata={"help": help_, "read": read, "shown": shown, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of a service. `None` means "chosen at startup to fit the machine" (`auto`)."""

    host: str = _option(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 or :: accepts connections from other machines.",
        _text,
        metavar="ADDRESS",
    )
    port: int = _option(8080, "Port to listen on; 0 selects a free one.", _integer(0, 65535))
    workers: int | None = _option(
        None,
        "Number of worker processes, each with its own copy of the models.",
        _auto_or(_integer(1, 256)),
        shown="auto",
    )
    threads: int | None = _option(
        None,
        "Concurrent inferences per worker process.",
        _auto_or(_integer(1, 256)),
        shown="auto",
    )
    stage: str = _option("prod", "First segment of every path: /<stage>/face_comparison.", _dns_label, metavar="LABEL")
    former_stage: str | None = _option(
        None,
        "Previous stage whose paths are still served while callers and routers move to the current one.",
        _optional_dns_label,
        shown="",
        metavar="LABEL",
    )
    bundle: str = _option("default", "Model bundle: a name, or the path of its folder.", _text, metavar="NAME|PATH")
    device: str = _option(
        "auto",
        "Device that the models run on; cuda never falls back to the CPU.",
        _one_of("auto", "cpu", "cuda"),
        metavar="auto|cpu|cuda",
    )
    engine: str = _option(
        "auto",
        "Library that runs the models; auto selects the fastest one installed.",
        _one_of("auto", "openvino", "onnxruntime"),
        metavar="auto|openvino|onnxruntime",
    )
    precision: str = _option(
        "auto",
        "Precision of the models; float32 is slower, and gives the same hashes on every processor and GPU.",
        _one_of("auto", "float32"),
        metavar="auto|float32",
    )
    auth: str = _option(
        "none",
        "Who may call the API: everyone, or only callers with an API key.",
        _one_of("none", "api-key"),
        metavar="none|api-key",
    )
    api_keys_file: str | None = _option(
        None,
        "API keys file, with one name:key per line; reloaded when it changes.",
        _optional_text,
        shown="",
        metavar="FILE",
    )
    allowed_hosts: tuple[str, ...] = _option(
        (),
        "Host names, addresses, and CIDRs that images may be fetched from even though they are not public.",
        _list_of(_host),
        shown="",
        metavar="LIST",
    )
    allowed_buckets: tuple[str, ...] = _option(
        (), "S3 buckets that images may be fetched from; empty: any.", _list_of(_bucket), shown="", metavar="LIST"
    )
    max_body_bytes: int = _option(20 * 2**20, "Maximum size of a request body, in bytes.", _integer(1024, 2**30))
    max_side: int = _option(4096, "Maximum length of an image's longest side, in pixels.", _integer(256, 16384))
    max_fetch_bytes: int = _option(
        15 * 2**20, "Maximum size of an image fetched by URL, in bytes.", _integer(1024, 2**30)
    )
    fetch_seconds: float = _option(10.0, "Maximum time to fetch an image, in seconds.", _seconds(0.1, 600))
    request_seconds: float = _option(30.0, "Maximum duration of a request, in seconds.", _seconds(0.1, 3600))
    queue: int = _option(
        64, "Requests that may wait in the queue; further ones are rejected with 429.", _integer(0, 4096)
    )
    requests_per_caller: int = _option(
        0,
        "Maximum requests in flight per API key, or per address if there are no keys; 0: unlimited as long as no "
        "other caller needs the capacity.",
        _integer(0, 8192),
    )
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = _option(
        (),
        "Addresses and CIDRs of proxies in front of the service whose X-Forwarded-For header is trusted; empty: the "
        "header is ignored.",
        _list_of(_network),
        shown="",
        metavar="LIST",
    )
    memory_bytes: int | None = _option(
        None,
        "Memory that the service may use, in bytes; auto: the container's limit, otherwise half of the machine's "
        "memory, at most 3 GiB.",
        _auto_or(_integer(256 * 2**20, 2**50)),
        shown="auto",
    )
    collections: str | None = _option(
        None,
        "Collection store (1:N search): sqlite:DIRECTORY, or postgresql://… with pgvector; empty: none.",
        _store_url,
        shown="",
        metavar="URL",
    )
    collections_file: str | None = _option(
        None,
        "File that contains the value of --collections, such as a mounted Secret.",
        _optional_text,
        shown="",
        metavar="FILE",
    )
    collections_max_faces: int = _option(
        200_000, "Maximum faces per collection of the embedded store.", _integer(1, 10_000_000)
    )
    collections_index: str = _option(
        "exact",
        "How PostgreSQL searches: exactly, or with an approximate index (pgvector 0.8.4 or newer).",
        _one_of("exact", "hnsw"),
        metavar="exact|hnsw",
    )
    collections_backup_days: int | None = _option(
        None,
        "Days that you keep backups of the store, stated in deletion receipts; empty: not stated.",
        _optional_integer(0, 36_500),
        shown="",
        metavar="DAYS",
    )
    drain_seconds: float | None = _option(
        None,
        "Time to finish accepted requests after SIGTERM, in seconds; auto: the maximum duration of a request.",
        _auto_or(_seconds(0, 3600)),
        shown="auto",
    )
    identity: str | None = _option(
        None,
        "Value of the response header X-Face-Comparison-Identity; set by the Kubernetes operator.",
        _optional_text,
        shown="",
        metavar="TEXT",
    )
    log_level: str = _option(
        "info",
        "Minimum log level.",
        _one_of("debug", "info", "warning", "error"),
        metavar="debug|info|warning|error",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Parses environment variables; an empty value counts as not set. Raises InvalidSettings with all errors."""
        problems = [_unknown(name) for name in sorted(environ) if not _known(name, environ[name])]
        values: dict[str, Any] = {}
        for option in OPTIONS:
            text = environ.get(option.env, "")
            if not text.strip() or (option.name == "port" and _SERVICE_LINK_PORT.match(text)):
                continue
            try:
                values[option.name] = option.read(text)
            except InvalidItem as error:
                problems.append(f"{option.flag} ({option.env}): {error}")
            except ValueError as error:
                shown = "" if option.name == "collections" else f", not {text!r}"  # it may contain a password
                problems.append(f"{option.flag} ({option.env}) {error}{shown}")
        if not problems:
            settings = cls(**values)
            problems = _contradictions(settings)
        if problems:
            raise InvalidSettings("; ".join(problems))
        return settings

    @property
    def grace_seconds(self) -> float:
        """Returns the maximum time from SIGTERM to the exit, in seconds."""
        return self.request_seconds if self.drain_seconds is None else self.drain_seconds


@dataclass(frozen=True, slots=True)
class Option:
    """An option as users see it."""

    name: str
    default: str
    """As text, as it would be written in the environment; empty: not set."""
    help: str
    metavar: str
    read: Callable[[str], Any]

    @property
    def env(self) -> str:
        """The name of the environment variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The flag on the command line."""
        return "--" + self.name.replace("_", "-")


def _described(declared: Field[Any]) -> Option:
    shown = declared.metadata["shown"]
    default = f"{declared.default:g}" if isinstance(declared.default, float) else str(declared.default)
    kind = {"int": "INTEGER", "float": "SECONDS", "int | None": "INTEGER", "float | None": "SECONDS"}
    return Option(
        name=declared.name,
        default=default if shown is None else shown,
        help=declared.metadata["help"],
        metavar=declared.metadata["metavar"] or kind[str(declared.type)],
        read=declared.metadata["read"],
    )


OPTIONS: tuple[Option, ...] = tuple(_described(declared) for declared in fields(Settings))
"""The options of `serve`, in the order in which its help and the documentation list them."""


# --- checks ---------------------------------------------------------------------------------------------------------


def _known(name: str, value: str) -> bool:
    return (
        not name.startswith(PREFIX)
        or name in OTHER_NAMES
        or name.startswith(_OPERATORS)
        or any(name == option.env for option in OPTIONS)
        or _SERVICE_LINK.search(name) is not None
        or (name.endswith("_PORT") and _SERVICE_LINK_PORT.match(value) is not None)
    )


def _unknown(name: str) -> str:
    # The prefix, which always matches, would make every name look similar.
    names = [option.env.removeprefix(PREFIX) for option in OPTIONS]
    close = difflib.get_close_matches(name.removeprefix(PREFIX), names, n=1)
    hint = f"did you mean {PREFIX}{close[0]}?" if close else "`face-comparison serve --help` lists the names that exist"
    return f"{name} is not an option of this program: {hint}"


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if settings.auth == "api-key" and settings.api_keys_file is None:
        problems.append("--auth api-key needs --api-keys-file (FACE_COMPARISON_API_KEYS_FILE)")
    if settings.auth == "none" and settings.api_keys_file is not None:
        # Unchecked keys would leave the service open while its owner believes that it is protected.
        problems.append("--api-keys-file (FACE_COMPARISON_API_KEYS_FILE) needs --auth api-key")
    if settings.collections is not None and settings.collections_file is not None:
        problems.append("--collections and --collections-file are alternatives: give only one of them")
    return problems
