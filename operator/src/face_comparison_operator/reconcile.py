"""One look at one resource: gather what lives, make it what it should be, say in the status how far it has come.

Nothing is remembered that cannot be seen again in the cluster, except to spare requests: when a status was written,
what the URL answered. So it does not matter why a look was taken, how many there were, or whether one was missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from face_comparison_operator import pod_diagnostics, status
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    CHILDREN,
    DEPLOYMENT,
    EVENT,
    GATEWAY,
    HTTP_ROUTE,
    INGRESS,
    POD,
    RESOURCE,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
    kind_of,
)
from face_comparison_operator.cache import Key, Store
from face_comparison_operator.diff import difference, stamped
from face_comparison_operator.errors import (
    ApiMissing,
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    OperatorError,
    Rejected,
)
from face_comparison_operator.events import announcement, ready_of
from face_comparison_operator.objects import desired
from face_comparison_operator.probe_state import Inquiry
from face_comparison_operator.resource import (
    DIGEST_ANNOTATION,
    KIND,
    FaceComparison,
    Object,
    Spec,
    parse,
)
from face_comparison_operator.routing import RouteState, Target, route_state
from face_comparison_operator.scale_from_zero import awake
from face_comparison_operator.settings import Settings
from face_comparison_operator.stage_migration import moving
from face_comparison_operator.status import Answer, Observed, Refusal

# Changes of mere numbers and words are written at most this often; a condition that changes is written at once.
QUIET_SECONDS = 5.0
# How long a new resource waits for its first status: that it was begun is no news worth delaying others for.
FIRST_WORD_SECONDS = 0.5
# How long the Deployment's controller may take to notice a change before that is worth a word.
NOTICE_SECONDS = 5.0
# How soon a refused child is tried again: what is in its way is not watched.
REFUSED_SECONDS = 10.0
# How soon a route that leads to two stages is looked at again.
MOVING_SECONDS = 1.0
# How soon a pod without containers is asked about, and how often.
STUCK_SECONDS = 4.0
GATEWAY_SECONDS = 30.0
# What KEDA's admission webhook (2.20) says of a ScaledObject for what an autoscaler scales.
MANAGED_BY_AUTOSCALER = "already managed by the hpa"

log = logging.getLogger(__name__)


class Cluster(Protocol):
    """What is needed of an API server; see `cluster.Cluster`."""

    async def read(self, kind: Kind, namespace: str, name: str) -> Object | None: ...
    async def create(self, kind: Kind, body: Object) -> Object: ...
    async def apply(self, kind: Kind, body: Object, live: Object) -> Object: ...
    async def delete(self, kind: Kind, live: Object) -> None: ...
    async def write_status(self, namespace: str, name: str, uid: str, status: Object) -> Object: ...
    async def warnings(self, namespace: str, uid: str) -> list[Object]: ...


class Listener(Protocol):
    """Who counts what happens."""

    def deployed(self, seconds: float) -> None: ...
    def conditions(self, key: Key, conditions: Sequence[Object] | None) -> None: ...


Ask = Callable[[RouteState, Object | None], Awaitable[Answer]]
"""Tries the URL of a route; the Service is a way to the pods when the route cannot be reached from here."""


@dataclass(slots=True)
class _Memory:
    """What spares requests about one resource; it can be lost at any time. Times are seconds of the clock."""

    uid: str
    made_at: str
    changed_at: float = float("-inf")
    written_at: float = float("-inf")
    # Children that the API server keeps in another form than it was given, by kind: digest and version applied.
    settled: dict[str, tuple[str, str]] = field(default_factory=dict)
    gateways: list[Object] = field(default_factory=list)
    gateways_at: float = float("-inf")
    inquiry: Inquiry = field(default_factory=Inquiry)
    target: Target | None = None
    """Where it serves."""


class Reconciler:
    """Works on one key at a time for each key; different keys may run at once."""

    def __init__(  # noqa: PLR0913 (the composition root hands everything in)
        self,
        cluster: Cluster,
        store: Store,
        settings: Settings,
        *,
        ask: Ask,
        again: Callable[[Key], None],
        listener: Listener,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._cluster, self._store, self._settings = cluster, store, settings
        self._ask, self._again, self._listener, self._now, self._clock = ask, again, listener, now, clock
        self._memories: dict[Key, _Memory] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Look at one resource; seconds until it should be looked at again without cause, if it should."""
        body = self._store.resource(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            self._forget(key)
            return None
        memory = self._memory(key, body)
        try:
            resource = self._staged(parse(body), key)
            refusals = await self._converge(resource, key, memory)
        except InvalidSpec as error:
            resource = _unreadable(body)
            refusals = [Refusal(KIND, status.INVALID_SPEC, error.message)]
        looks = [REFUSED_SECONDS] if refusals else []
        if len(resource.stages) > 1:
            looks.append(MOVING_SECONDS)
        observed = await self._observe(resource, key, memory, refusals, looks)
        if observed is not None:
            await self._report(resource, key, memory, observed, looks)
        return min(looks, default=None)

    def _memory(self, key: Key, body: Object) -> _Memory:
        uid = body["metadata"]["uid"]
        memory = self._memories.get(key)
        if memory is None or memory.uid != uid:
            self._forget(key)
            memory = self._memories[key] = _Memory(uid, body["metadata"]["creationTimestamp"])
        return memory

    def _forget(self, key: Key) -> None:
        memory = self._memories.pop(key, None)
        if memory:
            memory.inquiry.stop()
        self._listener.conditions(key, None)

    def _staged(self, resource: FaceComparison, key: Key) -> FaceComparison:
        deployment = self._mine(resource, key, DEPLOYMENT)
        return moving(resource, deployment, complete=status.rollout(deployment).complete)

    # --- making it so ------------------------------------------------------------------------------------------------

    async def _converge(self, resource: FaceComparison, key: Key, memory: _Memory) -> list[Refusal]:
        """Make, repair and remove children; what could not be done."""
        wanted = [stamped(body) for body in desired(resource, self._settings)]
        results = await asyncio.gather(
            *(self._child(resource, key, memory, body) for body in wanted), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        refusals = [result for result in results if isinstance(result, Refusal)]
        unwanted = set(CHILDREN) - {kind_of(body) for body in wanted}
        await self._prune(resource, key, unwanted - self._needed(resource, key, memory, refusals))
        return refusals

    def _needed(self, resource: FaceComparison, key: Key, memory: _Memory, refusals: Sequence[Refusal]) -> set[Kind]:
        """Kinds whose objects are kept a while, asked for or not: what is to replace them does not serve yet."""
        if any(each.kind == SCALED_OBJECT.name and MANAGED_BY_AUTOSCALER in each.message for each in refusals):
            return set(CHILDREN) - {AUTOSCALER}
        if status.blocking(refusals) is not None:
            return set(CHILDREN)
        needed = set()
        if not self._route(resource, key, memory.gateways).admitted:
            needed |= {INGRESS, HTTP_ROUTE}
        if not status.rollout(self._mine(resource, key, DEPLOYMENT)).complete:
            needed.add(SERVICE_ACCOUNT)  # of the pods that run
        return needed

    def _route(self, resource: FaceComparison, key: Key, gateways: Sequence[Object]) -> RouteState:
        live = self._mine(resource, key, HTTP_ROUTE if resource.spec.route.gateway else INGRESS)
        return route_state(resource, live, gateways)

    async def _child(self, resource: FaceComparison, key: Key, memory: _Memory, body: Object) -> Refusal | None:
        kind = kind_of(body)
        try:
            return await self._settle(resource, key, memory, kind, body)
        except ApiMissing:
            group = kind.api_version.partition("/")[0]
            return Refusal(kind.name, status.API_MISSING, f"the cluster has no {kind.name}: install the API {group}")
        except (Rejected, Forbidden) as error:
            return Refusal(kind.name, status.CHILD_REFUSED, f"{kind.name} {resource.child}: {error.message}")

    async def _settle(
        self, resource: FaceComparison, key: Key, memory: _Memory, kind: Kind, body: Object
    ) -> Refusal | None:
        """Make the child `body` or repair the live one; the refusal when its name belongs to another."""
        live = self._store.get(kind, key, resource.child)
        if live is None:
            try:
                self._store.put(kind, await self._cluster.create(kind, body))
            except Conflict:
                pass  # somebody has the name, or the store is a moment behind
            else:
                memory.changed_at = self._clock()
                return None
        else:
            if not _owned(resource, live):
                return self._taken(resource, kind)
            why = difference(body, live)
            if why is None or memory.settled.get(kind.name) == _version(body, live):
                return None
            log.info("%s/%s: changing the %s: %s", *key, kind.name, why)
        live = await self._cluster.read(kind, resource.namespace, resource.child)
        if live is None:
            raise NotFound(f"{kind.name} {resource.child} was deleted at this moment")
        if not _owned(resource, live):
            return self._taken(resource, kind)
        if kind == DEPLOYMENT:
            body = awake(body, live, resource.spec.autoscaling)
        applied = await self._cluster.apply(kind, body, live)
        memory.changed_at = self._clock()
        self._store.put(kind, applied)
        if difference(body, applied):
            memory.settled[kind.name] = _version(body, applied)
        return None

    def _taken(self, resource: FaceComparison, kind: Kind) -> Refusal:
        message = f"the name of the {kind.name} {resource.child} is taken by an object that is not this resource's"
        return Refusal(kind.name, status.NAME_CONFLICT, message + ": rename one of them, or delete the other")

    async def _prune(self, resource: FaceComparison, key: Key, unwanted: set[Kind]) -> None:
        for kind in (each for each in CHILDREN if each in unwanted):
            for live in self._store.all(kind, key):
                if _owned(resource, live) and "deletionTimestamp" not in live["metadata"]:
                    log.info("%s/%s: removing the %s, which is not asked for", *key, kind.name)
                    await self._cluster.delete(kind, live)

    # --- looking -----------------------------------------------------------------------------------------------------

    async def _observe(
        self, resource: FaceComparison, key: Key, memory: _Memory, refusals: Sequence[Refusal], looks: list[float]
    ) -> Observed | None:
        """What lives now; None when an answer is on its way that decides what to say."""
        deployment = self._mine(resource, key, DEPLOYMENT)
        gateways = await self._gateways(resource, memory)
        route = self._route(resource, key, gateways)
        if resource.spec.route.gateway and not route.admitted:
            looks.append(GATEWAY_SECONDS)
        autoscaling = resource.spec.autoscaling
        scaler = SCALED_OBJECT if autoscaling and autoscaling.metric == "InFlight" else AUTOSCALER
        found = self._store.all(POD, key)
        observed = Observed(
            route=route,
            deployment=deployment,
            pods=found,
            events=await self._events(resource, found, looks),
            autoscaler=self._mine(resource, key, scaler) if autoscaling else None,
            refusals=refusals,
        )
        state = status.rollout(deployment)
        readable = not any(each.reason == status.INVALID_SPEC for each in refusals)
        memory.target = route.target if state.available and readable else None
        waited = self._clock() - memory.changed_at
        if deployment and not state.settled and resource.status and not refusals and waited < NOTICE_SECONDS:
            # The Deployment's controller is about to notice the change; what is known is about the time before.
            looks.append(NOTICE_SECONDS - waited)
            return None
        if not (state.pure and state.available and route.target):
            return observed
        return self._with_answer(resource, key, memory, observed, looks)

    def _mine(self, resource: FaceComparison, key: Key, kind: Kind) -> Object | None:
        live = self._store.get(kind, key, resource.child)
        return live if live and _owned(resource, live) else None

    async def _gateways(self, resource: FaceComparison, memory: _Memory) -> list[Object]:
        """The gateways of the route, as far as the operator may read them; they rarely change."""
        if not resource.spec.route.gateway or self._clock() < memory.gateways_at + GATEWAY_SECONDS:
            return memory.gateways
        memory.gateways = []
        for parent in resource.spec.route.gateway.parent_refs:
            try:
                gateway = await self._cluster.read(GATEWAY, parent.namespace or resource.namespace, parent.name)
            except (ApiMissing, Forbidden):
                continue
            if gateway:
                memory.gateways.append(gateway)
        memory.gateways_at = self._clock()
        return memory.gateways

    async def _events(self, resource: FaceComparison, found: Sequence[Object], looks: list[float]) -> list[Object]:
        """Warnings about pods that have a node but no container: the kubelet tells of volumes only by events."""
        stuck = [
            pod for pod in found if pod_diagnostics.awaits_volumes(pod) and "deletionTimestamp" not in pod["metadata"]
        ]
        if not stuck:
            return []
        age = min(
            (self._now() - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds()
            for pod in stuck
        )
        looks.append(STUCK_SECONDS)
        if age < STUCK_SECONDS / 2:
            return []
        # Pods of one template share their fate.
        return await self._cluster.warnings(resource.namespace, stuck[-1]["metadata"]["uid"])

    def _with_answer(
        self, resource: FaceComparison, key: Key, memory: _Memory, observed: Observed, looks: list[float]
    ) -> Observed | None:
        """`observed` with what the URL answered; None while there is no answer to be told."""
        inquiry = memory.inquiry
        inquiry.turn_to((str(observed.route), str(resource.generation)))
        due = inquiry.due(self._clock())
        if due <= 0 and inquiry.task is None:
            service = self._mine(resource, key, SERVICE)
            inquiry.task = asyncio.create_task(self._ask_and_remember(resource, key, inquiry, observed.route, service))
        if inquiry.task is None:  # else its end is the next occasion to look
            looks.append(due)
        return replace(observed, answer=inquiry.answer) if inquiry.is_news else None

    async def _ask_and_remember(
        self, resource: FaceComparison, key: Key, inquiry: Inquiry, route: RouteState, service: Object | None
    ) -> None:
        answer = await self._ask(route, service)
        ingress = resource.spec.route.ingress
        # Annotations may tell the controller to share a place, as for a canary.
        alone = not (ingress and ingress.annotations)
        if answer.verdict == "answers" and alone and (first := self._first_at(route.target, key)):
            answer = Answer("refuses", f"it leads to {first}, which had it first: change the host or the stage of one")
        inquiry.take(answer, self._clock())
        self._again(key)

    def _first_at(self, target: Target | None, key: Key) -> str | None:
        """The older resource that serves at the same place as that of `key`, in words; None when there is none."""
        mine = self._memories.get(key)
        if mine is None:
            return None
        for (namespace, name), other in self._memories.items():
            if other.target == target and (other.made_at, other.uid) < (mine.made_at, mine.uid):
                # Who uses one namespace need not learn what is in another.
                return f"the FaceComparison {name}" if namespace == key[0] else "a FaceComparison of another namespace"
        return None

    # --- saying it ---------------------------------------------------------------------------------------------------

    async def _report(
        self, resource: FaceComparison, key: Key, memory: _Memory, observed: Observed, looks: list[float]
    ) -> None:
        now = self._now()
        result = status.status(resource, observed, now)
        self._listener.conditions(key, result["conditions"])
        deadline = status.next_look(resource, result, now)
        if deadline is not None:
            looks.append(deadline + 0.1)
        if result == resource.status:
            return
        if not resource.status and memory.changed_at > self._clock() - FIRST_WORD_SECONDS:
            # Its children come first, and those of all the others that were made at the same moment.
            looks.append(FIRST_WORD_SECONDS)
            return
        wait = memory.written_at + QUIET_SECONDS - self._clock()
        if wait > 0 and _outline(result) == _outline(resource.status):
            looks.append(wait)
            return
        written = await self._cluster.write_status(resource.namespace, resource.name, resource.uid, result)
        memory.written_at = self._clock()
        self._store.put(RESOURCE, written)
        if written["metadata"].get("generation", 1) != resource.generation:
            self._again(key)  # the spec was changed meanwhile, and the watch has nothing newer to bring
        await self._announce(resource, result)

    async def _announce(self, resource: FaceComparison, result: Object) -> None:
        event = announcement(resource, result, self._now())
        if event is None:
            return
        if ready_of(result)["status"] == "True" and "deploySeconds" not in resource.status:
            self._listener.deployed(result["deploySeconds"])
        try:
            await self._cluster.create(EVENT, event)
        except OperatorError as error:
            log.warning("%s/%s: no event could be posted: %s", resource.namespace, resource.name, error.message)


def _owned(resource: FaceComparison, live: Object) -> bool:
    owners = live["metadata"].get("ownerReferences", [])
    if any(owner["uid"] == resource.uid for owner in owners):
        return True
    if any(owner["kind"] == KIND and owner["name"] == resource.name for owner in owners):
        # What an earlier resource of this name left behind: garbage collection is about to remove it.
        raise Conflict(f"{live['metadata']['name']} of an earlier {resource.name} is still being removed")
    return False


def _version(body: Object, live: Object) -> tuple[str, str]:
    metadata = live["metadata"]
    digest = body["metadata"]["annotations"][DIGEST_ANNOTATION]
    return digest, str(metadata.get("generation") or metadata["resourceVersion"])


def _unreadable(body: Object) -> FaceComparison:
    metadata = body["metadata"]
    return FaceComparison(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=Spec(),
        status=body.get("status") or {},
    )


def _outline(value: Object) -> object:
    """What of a status is worth a write at once."""
    conditions = [(each["type"], each["status"], each["reason"]) for each in value.get("conditions", [])]
    return conditions, [value.get(name) for name in ("observedGeneration", "url", "modelVersion", "selector")]
