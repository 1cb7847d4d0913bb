"""The only importer of kopf, which logs in, discovers, lists, and watches the APIs, and starts and stops the manager.

The handlers only pass on changes. kopf never retries an event handler and does not need to: reconciles of the whole
resource (`reconcile.py`) are retried until they succeed. So kopf has no state to store on an object and never writes
one: no annotation, no finalizer, no event.
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

# Credentials are renewed after this time: tokens of service accounts and credential plugins expire.
LOGIN_SECONDS = 300
# Retry interval of kopf while the API server does not respond; it retries indefinitely.
RETRY_SECONDS = 3.0
# How long kopf keeps an idle task for an object.
IDLE_SECONDS = 0.05
# Maximum time for kopf to stop, whatever has gone wrong; after it, the process is killed.
EXIT_SECONDS = 15.0
# Page size of kopf's lists. It keeps all objects of a page in memory while it creates a task for each.
CHUNK = 50

log = logging.getLogger(__name__)


class _OptionalApisFilter(logging.Filter):
    """Drops kopf's warning about missing optional APIs, which it logs at each change of any CRD.

    The status of resources reports these APIs.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not message.startswith("Unresolved resources cannot be served") or RESOURCE.plural in message


_OPTIONAL_APIS = _OptionalApisFilter()


async def serve(settings: Settings) -> None:
    """Runs the operator until SIGTERM or SIGINT."""
    while await _serve(settings):
        pass


async def _serve(settings: Settings) -> bool:
    """Runs the operator once, and returns whether to restart it."""
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
        standalone=True,  # a Lease determines the leader (`leader_election.py`)
        # By default, kopf looks up the user name, but the user of a container may have none.
        identity=socket.gethostname(),  # type: ignore[arg-type]
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        stop_flag=ended,
    )
    with suppress(asyncio.CancelledError):
        await work[0]  # raises its exception
        return True
    return False


def _work(registry: kopf.OperatorRegistry, operator: Operator, ended: asyncio.Event) -> list[asyncio.Task[None]]:
    """Runs kopf and the manager together: when one stops, so does the other."""
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
        # kopf calls this again immediately if the credentials are rejected.
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
    """Disables kopf's comparison of each object with its last seen state, which only unused kinds of handlers need."""

    def build(self, **_: Any) -> Any:
        """Returns no difference."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Returns no earlier state."""
        return

    def store(self, **_: Any) -> None:
        """Fails, because nothing is ever written to an object."""
        raise RuntimeError("nothing is ever written to an object")


def _framework(settings: Settings) -> kopf.OperatorSettings:
    """Configures kopf."""
    kopf_settings = kopf.OperatorSettings()
    kopf_settings.process.ultimate_exiting_timeout = EXIT_SECONDS
    kopf_settings.posting.enabled = False
    kopf_settings.persistence.diffbase_storage = NullDiffBaseStorage()
    kopf_settings.persistence.progress_storage = kopf.StatusProgressStorage()
    kopf_settings.queueing.idle_timeout = IDLE_SECONDS
    kopf_settings.networking.error_backoffs = itertools.repeat(RETRY_SECONDS)
    kopf_settings.networking.connect_timeout = CONNECT_SECONDS
    # New CRDs are noticed immediately, unless the operator may not watch them.
    kopf_settings.scanning.disabled = bool(settings.namespaces)
    kopf_settings.watching.chunk_size = CHUNK
    kopf_settings.watching.server_timeout = WATCH_SECONDS
    kopf_settings.watching.client_timeout = WATCH_SECONDS + CONNECT_SECONDS
    for kind in WATCHED:
        if kind != RESOURCE:
            kopf_settings.watching.label_selectors[_names(kind)] = MANAGED_BY
    return kopf_settings


def _login(framework: kopf.OperatorSettings) -> Access:
    """Logs in with the pod's service account or, outside a cluster, by the usual kubeconfig rules.

    The official client, if installed, supports every kind of credentials; kopf's own login supports the namespace, the
    proxy, and credentials in the file itself.

    Raises:
        InvalidSettings: Login is not possible; the message says what is missing.
    """
    try:
        account = kopf.login_with_service_account(settings=framework)
        plain = account or kopf.login_with_kubeconfig(settings=framework)
        if plain is None:
            raise InvalidSettings(
                "no cluster found: not running in one, and neither KUBECONFIG nor ~/.kube/config exists"
            )
        found = account or kopf.login_via_client(logger=log, settings=framework) or plain
        if found is plain and not (plain.as_http_headers() or plain.certificate_path or plain.certificate_data):
            raise InvalidSettings(
                "the kubeconfig uses credentials that require the official client: pip install "
                "'face-comparison-operator[kubeconfig]'"
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
