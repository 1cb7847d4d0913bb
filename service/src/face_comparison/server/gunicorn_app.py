"""`face-comparison serve`: gunicorn, configured in code, one master and its workers. No logic of requests is here.

The master opens the port, forks, replaces and stops workers; it never loads a model, because neither the threads of an
inference library nor a GPU survive a fork. Each worker loads its own.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from face_comparison import cpus
from face_comparison.errors import FaceComparisonError
from face_comparison.server import runtime_dir
from face_comparison.server.listener import create_listener
from face_comparison.server.shared_state import Board
from face_comparison.server.worker import Worker
from face_comparison.serving.admission import Admission
from face_comparison.settings import Settings

if TYPE_CHECKING:
    from face_comparison.server.bootstrap import Loader, Process

HEADROOM = 32
"""Threads of a worker beyond those that admitted requests can hold: for health, metrics, and refusing."""

CONNECTIONS = 2000
"""Connections that one worker keeps open; idle ones cost no thread."""

OTHER_FILES = 512
"""Open files that are no clients' connections: models, libraries, images being fetched."""

KEEPALIVE_SECONDS = 75
"""Longer than the 60 s for which common proxies keep idle connections: whoever closes last never races a request."""

HEARTBEAT_SECONDS = 60
"""A worker whose event loop has been stuck this long is replaced."""

SUCCESSOR_SECONDS = 300
"""How long a reload waits for new workers before it gives up and keeps the old ones."""


_M_ARENA_MAX = -8  # malloc.h

log = logging.getLogger("face_comparison.server.gunicorn_app")


class ServiceLogger(Logger):  # type: ignore[misc]
    """gunicorn's own messages, as JSON lines among those of the service; requests are logged by the application."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True


class Master(Arbiter):  # type: ignore[misc]
    """gunicorn's master, which tells its workers why they stop, and keeps them until their successors are ready."""

    def stop(self, graceful: bool = True) -> None:
        self.app.board.stop()
        super().stop(graceful)

    def reap_workers(self) -> None:
        try:
            super().reap_workers()
        except HaltServer:
            if not self.app.board.stopping:  # a second worker that fails like the first must not disturb the end
                raise

    def reload(self) -> None:
        """SIGHUP: replace all workers. Settings belong to the process and stay; bundle and key files are read anew.

        gunicorn stops the old workers at once and lets everybody wait for the new ones, for good if these cannot start.
        """
        old = list(self.WORKERS)
        new = [self.spawn_worker() for _ in range(self.num_workers)]
        if self._all_ready(new):
            for pid in old:
                if pid in self.WORKERS:
                    self.kill_worker(pid, signal.SIGTERM)
            return
        log.error("the new workers could not take over, so the old ones stay: %s", self.app.board.failure)
        for pid in new:
            if pid in self.WORKERS:
                self.kill_worker(pid, signal.SIGKILL)
        while any(pid in self.WORKERS for pid in new):
            with suppress(HaltServer):  # one that had failed by itself: reaped later, it would end the service
                self.reap_workers()
            time.sleep(0.01)
        self.app.board.forgive()

    def _all_ready(self, pids: list[int]) -> bool:
        """Wait until these workers are ready; False when one ends before, or when the service is to be stopped."""
        deadline = time.monotonic() + SUCCESSOR_SECONDS
        while time.monotonic() < deadline and not self._stop_asked():
            try:
                self.reap_workers()
            except HaltServer:
                return False
            if any(pid not in self.WORKERS for pid in pids):
                return False
            if all(self.app.board.is_ready(self.WORKERS[pid].age) for pid in pids):
                return True
            time.sleep(0.05)
        return False

    def _stop_asked(self) -> bool:
        waiting = []
        while not self.SIG_QUEUE.empty():
            waiting.append(self.SIG_QUEUE.get_nowait())
        for sig in waiting:
            self.SIG_QUEUE.put_nowait(sig)
        return any(sig in waiting for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT))


class Application(BaseApplication):  # type: ignore[misc]
    """What gunicorn asks for its configuration, and, in each worker, for the WSGI application."""

    process: Process

    def __init__(self, settings: Settings, load: Loader, listener: socket.socket, folder: Path) -> None:
        self.settings, self.board = settings, Board()
        self._load, self._listener, self._folder = load, listener, folder
        self._workers = settings.workers or 1
        self._threads = settings.threads or max(1, cpus.available() // self._workers)
        super().__init__()

    def load_config(self) -> None:
        threads = self._workers * self._threads + self.settings.queue + HEADROOM  # all of them may meet in one worker
        options = {
            "bind": f"fd://{self._listener.detach()}",
            "workers": self._workers,
            "threads": threads,
            "worker_class": Worker,
            "worker_connections": _raised_file_limit(CONNECTIONS + threads),
            "worker_tmp_dir": str(self._folder),
            "timeout": HEARTBEAT_SECONDS,
            # The master kills what is left after this; workers end by themselves before.
            "graceful_timeout": round(self.settings.grace_seconds + 5),
            "keepalive": KEEPALIVE_SECONDS,
            "control_socket_disable": True,
            "logger_class": ServiceLogger,
            "loglevel": self.settings.log_level,
            "proc_name": "face-comparison",
            "pre_fork": lambda _, worker: self.board.enter(worker.age),
            "post_fork": self._post_fork,
            "child_exit": self._child_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def _post_fork(self, _: Master, worker: Worker) -> None:
        self._age = worker.age
        _share_memory(max(2, self._threads))

    def _child_exit(self, _: Master, worker: Worker) -> None:
        self.board.leave(worker.age)
        _forget_gauges(worker)
        if not self.board.stopping and not self.board.ready_count():
            # What killed the first worker while it loaded, such as the kernel for want of memory, kills the next, too.
            self.board.fail(
                "out_of_memory: a worker was killed while it loaded its models, as happens when memory runs out: "
                "allow the service more"
            )
            raise HaltServer("A worker was killed before it was ready.", Arbiter.APP_LOAD_ERROR)

    def load(self) -> Any:
        """In a worker: build the service and load its models.

        At the first start that goes on in the background, and probes hear `not_ready`. A worker that replaces another
        accepts nothing before it can answer it: connections wait in the socket's queue, or go to its siblings.
        """
        with self._failing_at_once():
            from face_comparison.server import bootstrap  # noqa: PLC0415 (in the worker, after the metrics' folder is known)

            self.process = bootstrap.build(
                self.settings,
                Admission(self._threads, self.settings.queue, self._workers, partial(self.board.tally, self._age)),
                peers=lambda: self.board.ready_count() >= self._workers,
                load=self._load,
            )
        if self.board.ready_count() < self._workers:
            threading.Thread(target=self._load_models, name="load", daemon=True).start()
        else:
            self._load_models()
        return self.process.app

    def _load_models(self) -> None:
        began = time.monotonic()
        with self._failing_at_once():
            self.process.load()
        self.board.mark_ready(self._age)
        log.info("ready", extra={"fields": {"pid": os.getpid(), "seconds": round(time.monotonic() - began, 3)}})

    @contextmanager
    def _failing_at_once(self) -> Iterator[None]:
        """A worker that cannot start ends the service, instead of being tried again and again."""
        try:
            yield
        except FaceComparisonError as error:
            self.board.fail(f"{error.code}: {error.message}")
        except Exception as error:  # whatever it is, the start has failed
            log.exception("the service could not start")
            self.board.fail(f"internal: the service could not start: {type(error).__name__}: {error}")
        else:
            return
        os._exit(Arbiter.APP_LOAD_ERROR)  # the status at which gunicorn's master ends

    def run(self) -> None:
        Master(self).run()


def serve(settings: Settings, load: Loader) -> str:
    """Serve until a signal ends it. Returns why the service could not start or go on, empty when it was told to stop.

    load: makes the analyzer in each worker. Raises InvalidSettings when the port cannot be had.
    """
    master = os.getpid()
    listener = create_listener(settings.host, settings.port)
    address = listener.getsockname()
    with runtime_dir.folder(runtime_dir.parent()) as folder:
        # Read by the metrics' library when it is imported, which only workers do.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        application = Application(settings, load, listener, folder)
        log.info("listening", extra={"fields": {"address": address[0], "port": address[1], "stage": settings.stage}})
        status: object = 0
        try:
            application.run()
        except SystemExit as stopped:
            status = stopped.code
            if os.getpid() != master:  # a worker at its end: what follows is not its to do
                os._exit(status if isinstance(status, int) else 1)
    if not status:
        return ""
    return application.board.failure or "internal: a worker could not start: the log says why"


def _raised_file_limit(connections: int) -> int:
    """Allow as many open files as connections need; how many connections there may be with what is granted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(64, min(connections, soft - OTHER_FILES))


def _share_memory(arenas: int) -> None:
    """Let all threads allocate from a few common arenas, if this is glibc.

    By default every thread gets its own, up to eight a core, and what is freed in one is of no use to another: images
    and replies then stay behind in dozens of them. Measured on 3,000 mixed requests without models: 79 MiB, not 116.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, arenas)


def _forget_gauges(worker: Worker) -> None:
    """The gauges of a worker that has ended count no longer; its counters and histograms do."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 (after its folder is known)

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
