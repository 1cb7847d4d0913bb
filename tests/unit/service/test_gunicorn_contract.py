"""Every member of gunicorn that this service overrides or uses exists, with the signature it was written for."""

from __future__ import annotations

import inspect
from importlib.metadata import requires, version
from typing import Any

import pytest
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker as BaseWorker
from packaging.requirements import Requirement

from face_comparison.server.gunicorn_app import Application, ServiceArbiter, ServiceLogger
from face_comparison.server.worker import Worker

OVERRIDDEN = {
    (BaseWorker, Worker): {
        "run": "(self)",
        "handle_exit": "(self, sig, frame)",
        "handle_quit": "(self, sig, frame)",
    },
    (Arbiter, ServiceArbiter): {"stop": "(self, graceful=True)", "reap_workers": "(self)", "reload": "(self)"},
    (BaseApplication, Application): {"load": "(self)", "load_config": "(self)", "run": "(self)"},
    (Logger, ServiceLogger): {"setup": "(self, cfg)"},
}
USED = {
    BaseWorker: {"notify": "(self)", "__init__": "(self, age, ppid, sockets, app, timeout, cfg, log)"},
    Arbiter: {"run": "(self)", "__init__": "(self, app)"},
    Config: {"set": "(self, name, value)"},
}
SETTINGS = {
    "bind", "workers", "worker_class", "worker_tmp_dir", "timeout", "graceful_timeout", "control_socket_disable",
    "logger_class", "loglevel", "proc_name", "pre_fork", "post_fork", "child_exit",
}  # fmt: skip


def signature(owner: type[Any], name: str) -> str:
    return str(inspect.signature(getattr(owner, name))).split(" ->")[0]


@pytest.mark.parametrize(
    ("base", "ours", "members"), [(*pair, members) for pair, members in OVERRIDDEN.items()], ids=lambda x: str(x)[:40]
)
def test_overridden_gunicorn_members(base: type[Any], ours: type[Any], members: dict[str, str]) -> None:
    assert {name: signature(base, name) for name in members} == members
    public = {name for name in vars(ours) if not name.startswith("_") and callable(getattr(ours, name))}
    assert {name for name in public if hasattr(base, name)} == members.keys()


@pytest.mark.parametrize(("owner", "members"), USED.items(), ids=lambda x: str(x)[:40])
def test_used_gunicorn_members(owner: type[Any], members: dict[str, str]) -> None:
    assert {name: signature(owner, name) for name in members} == members


def test_gunicorn_attributes() -> None:
    source = inspect.getsource(BaseWorker.__init__)
    assert all(f"self.{name} = {name}" in source for name in ("age", "ppid", "sockets", "app"))
    assert Arbiter.APP_LOAD_ERROR == 4
    assert issubclass(HaltServer, BaseException)


def test_gunicorn_settings() -> None:
    assert Config().settings.keys() >= SETTINGS


def test_declared_versions_match_tested_version() -> None:
    (declared,) = (
        requirement.specifier
        for requirement in map(Requirement, requires("face-comparison") or [])
        if requirement.name == "gunicorn"
    )
    assert declared.contains(version("gunicorn"))
    assert not any(declared.contains(other) for other in ("23.0.0", "26.9.0", "28.0.0"))
