"""Every option of the service, declared once: name, default, bounds, and help.

The command line, the environment variables, the documentation, and the checks are all derived from the fields of
`Settings`, so they cannot disagree. This package is pure: the environment is an argument, and nothing here reads a file
or inspects the machine (the server decides what `auto` means).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from face_comparison.errors import InvalidSettings
from face_comparison.settings import values
from face_comparison.settings.environment import OTHER_NAMES, PREFIX, is_known, is_service_link, unknown

__all__ = ["OPTIONS", "OTHER_NAMES", "PREFIX", "Option", "Settings"]


def _option(
    default: Any, help_: str, read: Callable[[str], Any], *, shown: str | None = None, metavar: str = ""
) -> Any:
    """Declares a field of `Settings`.

    Args:
        default: The default value.
        help_: The help text.
        read: Parses the text of a value; raises ValueError.
        shown: The default as text, if it is not simply the value as text.
        metavar: Placeholder for the value in the help; empty: derived from the type.
    """
    return field(default=default, metadata={"help": help_, "read": read, "shown": shown, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of a service. `None` means "chosen at startup to fit the machine" (`auto`)."""

    host: str = _option(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 or :: accepts connections from other machines.",
        values.text,
        metavar="ADDRESS",
    )
    port: int = _option(8080, "Port to listen on; 0 selects a free one.", values.integer(0, 65535))
    workers: int | None = _option(
        None,
        "Number of worker processes, each with its own copy of the models.",
        values.auto_or(values.integer(1, 256)),
        shown="auto",
    )
    threads: int | None = _option(
        None,
        "Concurrent inferences per worker process.",
        values.auto_or(values.integer(1, 256)),
        shown="auto",
    )
    stage: str = _option(
        "prod", "First segment of every path: /<stage>/face_comparison.", values.dns_label, metavar="LABEL"
    )
    former_stage: str | None = _option(
        None,
        "Previous stage whose paths are still served while callers and routers move to the current one.",
        values.optional_dns_label,
        shown="",
        metavar="LABEL",
    )
    bundle: str = _option(
        "default", "Model bundle: a name, or the path of its folder.", values.text, metavar="NAME|PATH"
    )
    device: str = _option(
        "auto",
        "Device that the models run on; cuda never falls back to the CPU.",
        values.one_of("auto", "cpu", "cuda"),
        metavar="auto|cpu|cuda",
    )
    engine: str = _option(
        "auto",
        "Library that runs the models; auto selects the fastest one installed.",
        values.one_of("auto", "openvino", "onnxruntime"),
        metavar="auto|openvino|onnxruntime",
    )
    precision: str = _option(
        "auto",
        "Precision of the models; float32 is slower, and gives the same hashes on every processor and GPU.",
        values.one_of("auto", "float32"),
        metavar="auto|float32",
    )
    auth: str = _option(
        "none",
        "Who may call the API: everyone, or only callers with an API key.",
        values.one_of("none", "api-key"),
        metavar="none|api-key",
    )
    api_keys_file: str | None = _option(
        None,
        "API keys file, with one name:key per line; reloaded when it changes.",
        values.optional_text,
        shown="",
        metavar="FILE",
    )
    allowed_hosts: tuple[str, ...] = _option(
        (),
        "Host names, addresses, and CIDRs that images may be fetched from even though they are not public.",
        values.list_of(values.host),
        shown="",
        metavar="LIST",
    )
    allowed_buckets: tuple[str, ...] = _option(
        (),
        "S3 buckets that images may be fetched from; empty: any.",
        values.list_of(values.bucket),
        shown="",
        metavar="LIST",
    )
    max_body_bytes: int = _option(20 * 2**20, "Maximum size of a request body, in bytes.", values.integer(1024, 2**30))
    max_side: int = _option(4096, "Maximum length of an image's longest side, in pixels.", values.integer(256, 16384))
    max_fetch_bytes: int = _option(
        15 * 2**20, "Maximum size of an image fetched by URL, in bytes.", values.integer(1024, 2**30)
    )
    fetch_seconds: float = _option(10.0, "Maximum time to fetch an image, in seconds.", values.seconds(0.1, 600))
    request_seconds: float = _option(30.0, "Maximum duration of a request, in seconds.", values.seconds(0.1, 3600))
    queue: int = _option(
        64, "Requests that may wait in the queue; further ones are rejected with 429.", values.integer(0, 4096)
    )
    requests_per_caller: int = _option(
        0,
        "Maximum requests in flight per API key, or per address if there are no keys; 0: unlimited as long as no "
        "other caller needs the capacity.",
        values.integer(0, 8192),
    )
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = _option(
        (),
        "Addresses and CIDRs of proxies in front of the service whose X-Forwarded-For header is trusted; empty: the "
        "header is ignored.",
        values.list_of(values.network),
        shown="",
        metavar="LIST",
    )
    memory_bytes: int | None = _option(
        None,
        "Memory that the service may use, in bytes; auto: the container's limit, otherwise half of the machine's "
        "memory, at most 3 GiB.",
        values.auto_or(values.integer(256 * 2**20, 2**50)),
        shown="auto",
    )
    collections: str | None = _option(
        None,
        "Collection store (1:N search): sqlite:DIRECTORY, or postgresql://… with pgvector; empty: none.",
        values.store_url,
        shown="",
        metavar="URL",
    )
    collections_file: str | None = _option(
        None,
        "File that contains the value of --collections, such as a mounted Secret.",
        values.optional_text,
        shown="",
        metavar="FILE",
    )
    collections_max_faces: int = _option(
        200_000, "Maximum faces per collection of the embedded store.", values.integer(1, 10_000_000)
    )
    collections_index: str = _option(
        "exact",
        "How PostgreSQL searches: exactly, or with an approximate index (pgvector 0.8.4 or newer).",
        values.one_of("exact", "hnsw"),
        metavar="exact|hnsw",
    )
    collections_backup_days: int | None = _option(
        None,
        "Days that you keep backups of the store, stated in deletion receipts; empty: not stated.",
        values.optional_integer(0, 36_500),
        shown="",
        metavar="DAYS",
    )
    drain_seconds: float | None = _option(
        None,
        "Time to finish accepted requests after SIGTERM, in seconds; auto: the maximum duration of a request.",
        values.auto_or(values.seconds(0, 3600)),
        shown="auto",
    )
    identity: str | None = _option(
        None,
        "Value of the response header X-Face-Comparison-Identity; set by the Kubernetes operator.",
        values.optional_text,
        shown="",
        metavar="TEXT",
    )
    log_level: str = _option(
        "info",
        "Minimum log level.",
        values.one_of("debug", "info", "warning", "error"),
        metavar="debug|info|warning|error",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Parses environment variables; an empty value counts as not set.

        Args:
            environ: The environment variables.

        Returns:
            The settings, with defaults for options that are not set.

        Raises:
            InvalidSettings: A variable is unknown or invalid, or options contradict each other; the message lists all
                errors.
        """
        names = [option.env for option in OPTIONS]
        problems = [unknown(name, names) for name in sorted(environ) if not is_known(name, environ[name], names)]
        parsed: dict[str, Any] = {}
        for option in OPTIONS:
            text = environ.get(option.env, "")
            if not text.strip() or (option.name == "port" and is_service_link(text)):
                continue
            try:
                parsed[option.name] = option.read(text)
            except values.InvalidItem as error:
                problems.append(f"{option.flag} ({option.env}): {error}")
            except ValueError as error:
                text_shown = "" if option.name == "collections" else f", not {text!r}"  # it may contain a password
                problems.append(f"{option.flag} ({option.env}) {error}{text_shown}")
        if not problems:
            settings = cls(**parsed)
            problems = _contradictions(settings)
        if problems:
            raise InvalidSettings("; ".join(problems))
        return settings

    @property
    def grace_seconds(self) -> float:
        """The maximum time from SIGTERM to the exit, in seconds."""
        return self.request_seconds if self.drain_seconds is None else self.drain_seconds


@dataclass(frozen=True, slots=True)
class Option:
    """An option as users see it."""

    name: str
    default: str
    """The default as it would be written in an environment variable; empty: not set."""
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


def _describe(declared: Field[Any]) -> Option:
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


OPTIONS: tuple[Option, ...] = tuple(_describe(declared) for declared in fields(Settings))
"""The options of `serve`, in the order in which its help and the documentation list them."""


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if settings.auth == "api-key" and settings.api_keys_file is None:
        problems.append("--auth api-key needs --api-keys-file (FACE_COMPARISON_API_KEYS_FILE)")
    if settings.auth == "none" and settings.api_keys_file is not None:
        # The keys would not be checked: the service would be open although its owner believes that it is protected.
        problems.append("--api-keys-file (FACE_COMPARISON_API_KEYS_FILE) needs --auth api-key")
    if settings.collections is not None and settings.collections_file is not None:
        problems.append("--collections and --collections-file are alternatives: give only one of them")
    if settings.collections_index != "exact" and (settings.collections or "").startswith("sqlite:"):
        problems.append("--collections-index hnsw needs a PostgreSQL store: the embedded one always searches exactly")
    return problems
