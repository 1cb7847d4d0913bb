"""`face-comparison serve`: runs gunicorn, configured in code, with an arbiter (master process) and its workers.

The arbiter opens the port, and forks, replaces, and stops workers. It handles no requests and never loads a model,
because neither the threads of an inference library nor a GPU context survive a fork. Each worker loads its own models.
"""

from __future__ import annotations

import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from face_comparison import cpus
from face_comparison.errors import FaceComparisonError
from face_comparison.server import garbage, memory, runtime_dir
from face_comparison.server.listener import create_listener
from face_comparison.server.priority import give_way
from face_comparison.server.shared_state import SharedWorkerState
from face_comparison.server.sizing import choose_sizing
from face_comparison.server.worker import Worker
from face_comparison.serving.admission import Admission
from face_comparison.serving.memory_budget import MemoryBudget
from face_comparison.settings import Settings

if TYPE_CHECKING:
    from face_comparison.server.bootstrap import Loader, Process
    from face_comparison.server.http_server import HttpServer

HEADROOM = 4
"""Additional threads per worker, for rejections and streamed responses."""

MAX_CONNECTIONS = 2000
"""Maximum number of open connections per worker; a connection takes no thread."""

OTHER_FILES = 512
"""Number of open files to allow besides client connections: models, libraries, images being fetched."""

FETCH_SHARE = 0.2
"""Fraction of a worker's memory budget for images being fetched."""

MAX_ARENAS = 2
"""Maximum number of glibc's malloc arenas per worker. Memory that is freed in one arena cannot be used by threads of
another until it is returned to the system: with eight arenas, 24 images of 1600 x 1600 pixels took 220 MiB more than
the budget allowed."""

HEARTBEAT_SECONDS = 60
"""A worker whose event loop has been blocked for this long is replaced."""

log = logging.getLogger("face_comparison.server.gunicorn_app")


class ServiceLogger(Logger):  # type: ignore[misc]
    """Writes gunicorn's own messages to the service's log; the application itself logs requests."""

    def setup(self, cfg: Any) -> None:
        """Redirects gunicorn's messages to the service's log."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True


class ServiceArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter, which also tells its workers whether the whole service is stopping."""

    def stop(self, graceful: bool = True) -> None:
        """Lets the workers drain, then stops as gunicorn does."""
        self.app.shared.stop()
        super().stop(graceful)

    def reap_workers(self) -> None:
        """Replaces exited workers. During a shutdown, a worker that failed to start must not abort it."""
        try:
            super().reap_workers()
        except HaltServer:
            if not self.app.shared.stopping:  # otherwise, ignore a second worker that fails like the first
                raise

    def reload(self) -> None:
        """Ignores SIGHUP: settings belong to the process, and the API keys file is reloaded when it changes."""
        log.warning("SIGHUP is ignored: restart the service to change its settings")


class Application(BaseApplication):  # type: ignore[misc]
    """Provides gunicorn with its configuration and, in each worker, the WSGI application."""

    process: Process

    def __init__(self, settings: Settings, load: Loader, listener: socket.socket, folder: Path) -> None:
        self.settings, self.shared = settings, SharedWorkerState()
        self._load, self._listener, self._folder = load, listener, folder
        limit = settings.memory_bytes or memory.memory_limit()
        self._sizing = choose_sizing(settings, cpus.available_cpus(), limit)
        self._connections = _raise_file_limit(MAX_CONNECTIONS)
        super().__init__()

    def load_config(self) -> None:
        """Sets the gunicorn options that follow from the settings."""
        options = {
            "bind": f"fd://{self._listener.detach()}",
            "workers": self._sizing.workers,
            "worker_class": Worker,
            "worker_tmp_dir": str(self._folder),
            "timeout": HEARTBEAT_SECONDS,
            # Workers exit on their own before this; the arbiter kills those that are left.
            "graceful_timeout": round(self.settings.grace_seconds + 5),
            "control_socket_disable": True,
            "logger_class": ServiceLogger,
            "loglevel": self.settings.log_level,
            "proc_name": "face-comparison",
            "pre_fork": lambda _, worker: self.shared.register(worker.age),
            "post_fork": self._post_fork,
            "child_exit": self._child_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def _post_fork(self, _: ServiceArbiter, worker: Worker) -> None:
        self._age = worker.age
        memory.limit_arenas(MAX_ARENAS)

    def _child_exit(self, _: ServiceArbiter, worker: Worker) -> None:
        self.shared.unregister(worker.age)
        _drop_dead_worker_gauges(worker)
        if not self.shared.stopping and not self.shared.ready_count():
            # The cause, such as the kernel's out-of-memory killer, would kill the next worker while it loads, too.
            self.shared.fail(
                "out_of_memory: a worker was killed while it loaded its models, as happens when memory runs out: "
                "allow the service more"
            )
            raise HaltServer("A worker was killed before it was ready.", Arbiter.APP_LOAD_ERROR)

    def load(self) -> Any:
        """Builds the service in a worker and loads its models.

        In the first workers, the models load in the background while probes get `not_ready`. A worker that replaces
        another one accepts no connections before its models are loaded: connections wait in the socket's queue or go to
        other workers.
        """
        with self._abort_startup_on_error():
            # Imported in the worker, after the folder for metrics has been set.
            from face_comparison.observability import metrics  # noqa: PLC0415
            from face_comparison.server import bootstrap  # noqa: PLC0415

            self.budget = MemoryBudget(self.memory_per_worker)
            self._admission = Admission(
                self._sizing.slots,
                self.settings.queue,
                self._sizing.workers,
                fetches=self._fetches,
                fetch_bytes=self.settings.max_fetch_bytes,
                per_caller=self.settings.requests_per_caller or None,
                report_in_flight=partial(self.shared.set_in_flight, self._age),
                report_eviction=lambda reason: metrics.EVICTIONS.labels(reason).inc(),
                budget=self.budget,
            )
            self.process = bootstrap.build(
                self.settings,
                self._admission,
                peers=lambda: self.shared.ready_count() >= self._sizing.workers,
                load=partial(self._load, self.settings, self._sizing),
            )
        is_replacement = self.shared.ready_count() >= self._sizing.workers
        loading = threading.Thread(target=self._load_models, name="load", daemon=True)
        loading.start()
        if is_replacement:
            loading.join()
        return self.process.app

    def _load_models(self) -> None:
        from face_comparison.observability import metrics  # noqa: PLC0415 (see `load`)

        give_way()  # applies to this thread and to those that the inference library starts from it
        began = time.monotonic()
        with self._abort_startup_on_error():
            self.process.load()
        garbage.keep_loaded()
        # The memory left for requests is known only after the models have been loaded and tried.
        self.budget.resize(max(memory.MIN_BUDGET_BYTES, self._sizing.worker_bytes - memory.resident_bytes()))
        metrics.MEMORY_BUDGET.set(self.budget.total)
        self.shared.mark_ready(self._age)
        log.info("ready", extra={"fields": {"pid": os.getpid(), "seconds": round(time.monotonic() - began, 3)}})

    @contextmanager
    def _abort_startup_on_error(self) -> Iterator[None]:
        """Stops the whole service if a worker cannot start, instead of restarting the worker forever."""
        try:
            yield
        except FaceComparisonError as error:
            self.shared.fail(f"{error.code}: {error.message}")
        except Exception as error:  # any exception means that the startup has failed
            log.exception("the service could not start")
            self.shared.fail(f"internal: the service could not start: {type(error).__name__}: {error}")
        else:
            return
        os._exit(Arbiter.APP_LOAD_ERROR)  # the status of a worker that makes gunicorn's arbiter stop

    @property
    def memory_per_worker(self) -> int:
        """The memory that one worker process may use, in bytes."""
        return self._sizing.worker_bytes

    @property
    def _fetches(self) -> int:
        """Maximum number of images fetched at the same time: one per admitted request, as far as memory allows."""
        affordable = int(self.memory_per_worker * FETCH_SHARE) // self.settings.max_fetch_bytes
        return max(2, min(self._sizing.slots + self.settings.queue, affordable))

    def http_server(self, note_new: Callable[[int], None]) -> HttpServer:
        """Creates the HTTP server in a worker's event loop.

        Args:
            note_new: Called with the file of each connection that is served from now on.
        """
        from face_comparison.server.http_server import HttpServer, ServerLimits  # noqa: PLC0415 (see `load`)

        # As many threads as requests can be in the application at once: a single worker may get all admitted requests.
        threads = self._sizing.workers * self._sizing.slots + self.settings.queue + self._fetches + HEADROOM
        limits = ServerLimits(
            request_seconds=self.settings.request_seconds,
            max_body_bytes=self.settings.max_body_bytes,
            connections=self._connections,
            threads=threads,
            processes=self._sizing.workers,
        )
        return HttpServer(self.process.app, self.process.head_rejection, limits, self.budget, note_new)

    def run(self) -> None:
        """Runs the arbiter until it is stopped."""
        ServiceArbiter(self).run()


def serve(settings: Settings, load: Loader, announce: Callable[[str, int], None] = lambda address, port: None) -> str:
    """Runs the service until a signal stops it.

    Args:
        settings: The options of the service.
        load: Loads the analyzer in each worker.
        announce: Called with the address and port once the service listens.

    Returns:
        Why the service could not start or continue; empty if it was stopped on request.

    Raises:
        InvalidSettings: The service cannot listen on the port.
    """
    arbiter = os.getpid()
    listener = create_listener(settings.host, settings.port)
    address = listener.getsockname()
    with runtime_dir.folder(runtime_dir.parent()) as folder:
        # The metrics library reads this when it is imported, which happens only in workers.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        application = Application(settings, load, listener, folder)
        announce(address[0], address[1])
        log.info("listening", extra={"fields": {"address": address[0], "port": address[1], "stage": settings.stage}})
        status: object = 0
        try:
            application.run()
        except SystemExit as stopped:
            status = stopped.code
            if os.getpid() != arbiter:  # an exiting worker must not run the arbiter's cleanup
                os._exit(status if isinstance(status, int) else 1)
    if not status:
        return ""
    return application.shared.failure or "internal: a worker could not start: the log says why"


def _raise_file_limit(connections: int) -> int:
    """Raises the limit of open files as far as connections need; returns how many connections the new limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(64, min(connections, soft - OTHER_FILES))


def _drop_dead_worker_gauges(worker: Worker) -> None:
    """Removes the gauges of an exited worker from the metrics; its counters and histograms still count."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 (after its folder has been set)

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
