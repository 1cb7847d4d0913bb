"""The only importer of kopf: it logs in, discovers, lists and watches the APIs, and starts and stops the manager.

The handlers only pass on what has changed. kopf never retries an event handler, nor does it need to: reconciles of the
whole resource (`reconcile.py`) are retried until they succeed. So kopf has nothing to remember on an object: no
annotation, no finalizer, no event of its own, not a single write.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from face_comparison_operator.api_client import CONNECT_SECONDS, Access
from face_comparison_operator.api_resources import RESOURCE, WATCHED, ApiResource
from face_comparison_operator.errors import InvalidSettings
from face_comparison_operator.manager import Operator
from face_comparison_operator.resource import MANAGED_BY
from face_comparison_operator.settings import Settings
from face_comparison_operator.watch_monitor import WATCH_SECONDS

# Credentials are asked for anew after this time: tokens of service accounts and of credential plugins run out.
LOGIN_SECONDS = 300
# While the API server does not answer, kopf goes on asking it for ever.
RETRY_SECONDS = 3.0
# How long kopf keeps a task for an object of which it has nothing more to tell.
IDLE_SECONDS = 0.05
# How long kopf may take to end, whatever has gone wrong; then the process is killed.
EXIT_SECONDS = 15.0
# Objects that kopf lists at once. It keeps all of them as trees while each gets a task of its own.
CHUNK = 50

log = logging.getLogger(__name__)


class _OptionalApisFilter(logging.Filter):
    """Drops kopf's warning at each change of any CRD that optional APIs are not there: the status reports those."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not message.startswith("Unresolved resources cannot be served") or RESOURCE.plural in message


_OPTIONAL_APIS = _OptionalApisFilter()


async def serve(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    while await _serve(settings):
        pass


async def _serve(settings: Settings) -> bool:
    """Run once; whether it is to be begun anew."""
    framework = _framework(settings)
    for name in ("kopf._core.reactor.observation", "kopf._core.reactor.orchestration"):
        logging.getLogger(name).addFilter(_OPTIONAL_APIS)
    operator = Operator(settings, _login(framework))
    registry, ended = kopf.OperatorRegistry(), asyncio.Event()
    for kind in WATCHED:
        _follow(registry, kind, operator)
    _log_in(registry, framework, operator)
    work = _work(registry, operator, ended)
    await kopf.operator(
        registry=registry,
        settings=framework,
        standalone=True,  # who works is decided by a Lease (`leader_election.py`)
        # By itself kopf asks for the name of the user, and the user of an image has none.
        identity=socket.gethostname(),  # type: ignore[arg-type]
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        stop_flag=ended,
    )
    with suppress(asyncio.CancelledError):
        await work[0]  # raises what it failed with
        return True
    return False


def _work(registry: kopf.OperatorRegistry, operator: Operator, ended: asyncio.Event) -> list[asyncio.Task[None]]:
    """Begin and end the work with kopf, and kopf with the work."""
    work: list[asyncio.Task[None]] = []

    @kopf.on.startup(registry=registry)
    async def begin(**_: Any) -> None:
        work.append(asyncio.create_task(operator.work()))
        work[0].add_done_callback(lambda _: ended.set())

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        work[0].cancel()
        await asyncio.wait(work)

    return work


def _log_in(registry: kopf.OperatorRegistry, framework: kopf.OperatorSettings, operator: Operator) -> None:
    last = float("-inf")

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        nonlocal last
        # Credentials that are refused lead here again at once.
        await asyncio.sleep(last + RETRY_SECONDS - time.monotonic())
        last = time.monotonic()
        try:
            access = await asyncio.to_thread(_login, framework)
        except InvalidSettings as error:
            raise kopf.TemporaryError(error.message, delay=RETRY_SECONDS) from error
        operator.cluster.access = access
        return kopf.AiohttpSession(
            server=access.server,
            aiohttp_session=access.session(0, operator.watches.on_response),
            default_namespace=access.namespace,
            expiration=datetime.now(UTC) + timedelta(seconds=LOGIN_SECONDS),
        )


def _follow(registry: kopf.OperatorRegistry, kind: ApiResource, operator: Operator) -> None:
    @kopf.on.event(*_names(kind), registry=registry)
    async def notice(event: Any, **_: Any) -> None:
        operator.on_watch_event(kind, event["object"], gone=event["type"] == "DELETED")


def _names(kind: ApiResource) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural


class NullDiffBaseStorage(kopf.DiffBaseStorage):
    """kopf compares each object with how it saw it last, for handlers of a kind that is not used here."""

    def build(self, **_: Any) -> Any:
        """Returns no difference."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Returns no earlier state."""
        return

    def store(self, **_: Any) -> None:
        """Fails, because nothing is ever written on an object."""
        raise RuntimeError("nothing is ever written on an object")


def _framework(settings: Settings) -> kopf.OperatorSettings:
    """How kopf is to behave."""
    found = kopf.OperatorSettings()
    found.process.ultimate_exiting_timeout = EXIT_SECONDS
    found.posting.enabled = False
    found.persistence.diffbase_storage = NullDiffBaseStorage()
    found.persistence.progress_storage = kopf.StatusProgressStorage()
    found.queueing.idle_timeout = IDLE_SECONDS
    found.networking.error_backoffs = itertools.repeat(RETRY_SECONDS)
    found.networking.connect_timeout = CONNECT_SECONDS
    # New definitions are noticed at once, unless there is no right to look at them.
    found.scanning.disabled = bool(settings.namespaces)
    found.watching.chunk_size = CHUNK
    found.watching.server_timeout = WATCH_SECONDS
    found.watching.client_timeout = WATCH_SECONDS + CONNECT_SECONDS
    for kind in WATCHED:
        if kind != RESOURCE:
            found.watching.label_selectors[_names(kind)] = MANAGED_BY
    return found


def _login(framework: kopf.OperatorSettings) -> Access:
    """The pod's own service account, else the usual kubeconfig rules. InvalidSettings says what is missing.

    The official client, where it is installed, knows credentials of every kind; kopf's own readers know the namespace,
    the proxy, and credentials that stand in the file.
    """
    try:
        account = kopf.login_with_service_account(settings=framework)
        plain = account or kopf.login_with_kubeconfig(settings=framework)
        if plain is None:
            raise InvalidSettings("no cluster: not inside one, and neither KUBECONFIG nor ~/.kube/config is there")
        found = account or kopf.login_via_client(logger=log, settings=framework) or plain
        if found is plain and not (plain.as_http_headers() or plain.certificate_path or plain.certificate_data):
            raise InvalidSettings(
                "the kubeconfig names credentials that only the official client can get: "
                "pip install 'face-comparison-operator[kubeconfig]'"
            )
        return Access(
            server=found.server,
            tls=found.as_ssl_context(),
            headers=found.as_http_headers(),
            namespace=plain.default_namespace or "default",
            proxy=plain.proxy_url,
            in_cluster=account is not None,
        )
    except (kopf.LoginError, LookupError, OSError, ValueError) as error:
        raise InvalidSettings(f"the kubeconfig cannot be used: {error or type(error).__name__}") from error
