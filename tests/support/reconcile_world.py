"""The world of the reconcile rules: an in-memory cluster, or a real API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from face_comparison_operator.api_resources import INGRESS, ApiResource

Object = dict[str, Any]
CPU = {"type": "cpu"}


class World(Protocol):
    """One resource named `faces` and everything around it."""

    def create(self, **spec: Any) -> None: ...
    def change(self, **spec: Any) -> None: ...
    def publish(self) -> None:
        """Plays the ingress controller: publishes an address for the Ingress."""

    def add(self, kind: ApiResource, body: Object) -> None:
        """Somebody else creates an object with the name of a child."""

    def edit(self, kind: ApiResource, patch: Object) -> None: ...
    def delete(self, kind: ApiResource) -> None: ...
    def recreate(self) -> None:
        """Deletes the resource, leaving its children as orphans, and creates it again."""

    def child(self, kind: ApiResource) -> Object | None: ...
    def condition(self, kind: str = "Ready") -> Object: ...
    def url(self) -> str | None:
        """The URL that the status publishes."""

    def resource_uid(self) -> str: ...
    def generation(self) -> int:
        """The generation of the resource."""

    def eventually(self, check: Callable[[], object], what: str) -> None:
        """Waits until the check holds."""


def deploy(world: World, **spec: Any) -> None:
    """Creates a resource and waits until it is ready."""
    world.create(accelerator=CPU, **spec)
    world.eventually(lambda: world.child(INGRESS), "the Ingress exists")
    world.publish()
    becomes(world, "Deployed")


def becomes(world: World, reason: str, kind: str = "Ready") -> None:
    world.eventually(lambda: world.condition(kind).get("reason") == reason, f"{kind} is {reason}")


def has(world: World, kind: ApiResource, *path: str | int) -> Any:
    found: Any = world.child(kind)
    for name in path:
        if found is None:
            return None
        found = found[name] if isinstance(name, int) else found.get(name)
    return found
