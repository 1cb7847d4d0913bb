"""How children are applied, repaired, and pruned; failures and their requeue times."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    NETWORK_POLICY,
    POD,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
)
from face_comparison_operator.children import PRUNE_GRACE
from face_comparison_operator.contest import LIMIT
from support.memory_cluster import Object
from support.memory_world import NAME, NAMESPACE, MemoryWorld
from support.reconcile_world import CPU, becomes, deploy


def test_new_resource_costs_few_requests(world: MemoryWorld) -> None:
    deploy(world)
    assert (
        len([each for each in world.cluster.requests if each[0] in ("create", "patch") and each[1] != EVENT.plural])
        <= 9
    )


@pytest.mark.parametrize(("reason", "delay"), [("rejected", 10.0), ("terminating", 1.0)])
def test_failed_apply_is_requeued(world: MemoryWorld, reason: str, delay: float) -> None:
    deploy(world)
    world.settle()
    world.edit(INGRESS, {"status": {"loadBalancer": None}})  # so that nothing is probed
    if reason == "rejected":
        world.cluster.rejected[SERVICE.plural] = "no"
        world.change(childMetadata={"labels": {"a": "b"}})
    else:
        world.edit(DISRUPTION_BUDGET, {"metadata": {"finalizers": ["example.com/slow"]}})
        world.delete(DISRUPTION_BUDGET)
    assert world.reconcile().requeue_after == pytest.approx(delay, abs=1.1)


GATEWAY = {"host": "faces.example.com", "gateway": {"parentRefs": [{"name": "public"}]}}


@pytest.mark.parametrize(
    ("referent", "kind", "spec"),
    [
        (SERVICE_ACCOUNT, DEPLOYMENT, {}),
        (SERVICE, INGRESS, {}),
        (SERVICE, HTTP_ROUTE, {"route": GATEWAY}),
        (DEPLOYMENT, AUTOSCALER, {"autoscaling": {}}),
        (DEPLOYMENT, SCALED_OBJECT, {"autoscaling": {"metric": "InFlight"}}),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
@pytest.mark.parametrize("hidden", [False, True])
def test_child_does_not_refer_to_foreign_object(
    world: MemoryWorld, referent: ApiResource, kind: ApiResource, spec: Object, hidden: bool
) -> None:
    """The API server checks quotas before names: one that is used up hides that the name is taken."""
    world.cluster.missing.clear()
    if hidden:
        world.cluster.forbidden["create", referent.plural] = "exceeded quota"
    else:
        world.add(referent, {"spec": {"replicas": 0, "template": {"metadata": {"labels": {}}, "spec": {}}}})
    world.create(accelerator=CPU, **spec)
    becomes(world, "ApplyFailed" if hidden else "NameConflict")
    assert world.child(kind) is None
    message = world.condition("SpecAccepted")["message"]
    assert f"the {kind.name} faces is not changed before the {referent.name} is its own" in message


def test_stuck_prune_is_reported_without_another_event(world: MemoryWorld) -> None:
    deploy(world, networkPolicy=True)
    world.settle()
    world.edit(INGRESS, {"status": {"loadBalancer": None}})  # so that nothing is probed
    world.settle()
    world.edit(NETWORK_POLICY, {"metadata": {"finalizers": ["example.com/slow"]}})
    world.change(networkPolicy=False)
    world.reconcile()
    requeue_after = world.reconcile().requeue_after
    assert requeue_after is not None
    assert requeue_after < PRUNE_GRACE.total_seconds() + 1
    world.clock += requeue_after
    world.cluster.pass_time(requeue_after)
    world.reconcile()
    assert world.condition("SpecAccepted")["reason"] == "ChildTerminating"


def test_missing_optional_api_does_not_block_serving(world: MemoryWorld) -> None:
    deploy(world, autoscaling={"metric": "InFlight"})
    assert world.condition("AutoscalerReady")["reason"] == "ApiNotInstalled"
    world.cluster.missing.discard(SCALED_OBJECT)
    world.eventually(lambda: world.child(SCALED_OBJECT), "the ScaledObject exists")


def test_child_of_removed_api_counts_as_pruned(world: MemoryWorld) -> None:
    """The objects went with the API, and the cache may not have learned it yet."""
    world.cluster.missing.discard(SCALED_OBJECT)
    deploy(world, autoscaling={"metric": "InFlight"})
    world.eventually(lambda: world.child(SCALED_OBJECT), "the ScaledObject exists")
    world.cluster.missing.add(SCALED_OBJECT)
    world.change(autoscaling=None)
    world.settle()
    assert world.condition()["reason"] == "Deployed"
    assert world.condition("SpecAccepted")["reason"] == "Accepted"


def test_autoscaler_is_pruned_only_on_conflict(world: MemoryWorld) -> None:
    world.cluster.missing.discard(SCALED_OBJECT)
    deploy(world, autoscaling={})
    world.cluster.rejected[SCALED_OBJECT.plural] = "not today"
    world.change(autoscaling={"metric": "InFlight"})
    becomes(world, "ApplyFailed")
    assert world.child(AUTOSCALER) is not None
    world.cluster.rejected[SCALED_OBJECT.plural] = "the workload is already managed by the hpa 'faces'"
    world.eventually(lambda: world.child(AUTOSCALER) is None, "the autoscaler is gone")


def test_rejected_repair_is_no_contest(world: MemoryWorld) -> None:
    """The API server's words stay, and once it accepts the repair, nothing delays it."""
    deploy(world)
    world.edit(DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 5}})
    world.cluster.rejected[DISRUPTION_BUDGET.plural] = "no budgets today"
    for _ in range(30):
        world.step()
        message = world.condition("SpecAccepted")["message"]
        assert message == "PodDisruptionBudget faces: no budgets today"
    world.cluster.rejected.clear()
    world.step()
    budget = world.child(DISRUPTION_BUDGET)
    assert budget is not None
    assert budget["spec"]["maxUnavailable"] == 1
    world.eventually(lambda: world.condition("SpecAccepted")["status"] == "True", "it is accepted")


@pytest.mark.parametrize(
    ("kind", "path", "stored"),
    [
        (DEPLOYMENT, ("template", "spec", "containers", 0, "image"), "mirror.example/faces:1"),
        (DEPLOYMENT, ("template", "spec", "terminationGracePeriodSeconds"), 5),
        (AUTOSCALER, ("maxReplicas",), 5),
    ],
)
def test_child_changed_by_admission_is_no_contest(
    world: MemoryWorld, kind: ApiResource, path: tuple[str | int, ...], stored: object
) -> None:
    """However often the autoscaler scales the Deployment or a controller writes a status."""

    def mutate(found: Object) -> None:
        place: Any = found["spec"]
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = stored
        if kind == AUTOSCALER:
            found["metadata"].pop("generation", None)  # the API does not count it

    world.cluster.mutated[kind.plural] = mutate
    deploy(world, autoscaling={"maxReplicas": 10})
    world.settle()
    for number in range(3 * LIMIT):
        world.edit(kind, {"spec": {"replicas": 2 + number % 2}} if kind == DEPLOYMENT else {"status": {"seen": number}})
        for _ in range(5):
            world.step()
            assert world.condition()["reason"] == "Deployed"
    assert str(path[-1]) in world.condition("SpecAccepted")["message"]


def test_contest_over_child_changed_by_admission_is_reported(world: MemoryWorld) -> None:
    """The message names the contested field, not the one that the admission rule has changed."""

    def mutate(found: Object) -> None:
        found["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror.example/faces:1"

    world.cluster.mutated[DEPLOYMENT.plural] = mutate
    deploy(world)
    world.settle()
    for _ in range(LIMIT + 1):
        world.edit(DEPLOYMENT, {"spec": {"minReadySeconds": 60}})
        world.step()
    assert world.condition()["reason"] == "ApplyFailed"
    message = world.condition("SpecAccepted")["message"]
    assert "another program keeps changing the Deployment faces" in message
    assert "minReadySeconds" in message


def test_missing_permission_is_reported(world: MemoryWorld) -> None:
    world.cluster.forbidden["create", "ingresses"] = "the operator may not create ingresses"
    world.create(accelerator=CPU)
    becomes(world, "ApplyFailed")
    assert "may not create ingresses" in world.condition()["message"]


def test_child_of_earlier_resource_is_reported_until_collected(world: MemoryWorld) -> None:
    owner = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "name": NAME, "uid": "earlier"}
    world.add(SERVICE, {"metadata": {"ownerReferences": [owner]}, "spec": {}})
    world.create(accelerator=CPU)
    becomes(world, "ChildTerminating")
    assert "of an earlier faces" in world.condition()["message"]
    world.delete(SERVICE)
    world.eventually(lambda: world.condition()["reason"] == "AddressPending", "it goes on")


def test_update_frees_capacity_if_needed(world: MemoryWorld) -> None:
    deploy(world)
    world.settle()
    live = world.child(DEPLOYMENT)
    assert live is not None
    surge = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert live["spec"]["strategy"] == surge
    (old,) = [body for key, body in world.cluster.objects.items() if key[0] == POD.plural]
    world.change(limits={"queue": 61})
    world.reconcile()
    live = world.child(DEPLOYMENT)
    assert live is not None
    # The new pod waits beside the old one.
    template = live["spec"]["template"]
    reported = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "1 Insufficient cpu"}
    metadata = {"name": "faces-new", "namespace": NAMESPACE, **template["metadata"]}
    waiting = {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending", "conditions": [reported]}}
    world.cluster.add(POD, waiting)
    status = {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    generation = live["metadata"]["generation"]
    world.edit(DEPLOYMENT, {"status": {**status, "observedGeneration": generation}})
    world.reconcile()
    assert world.condition()["reason"] == "Unschedulable"
    assert "the previous version is still serving" in world.condition()["message"]
    held = world.child(DEPLOYMENT)
    assert held is not None
    assert held["spec"]["strategy"] == surge, "a node may be on its way"
    world.clock += 25
    world.cluster.pass_time(25)
    world.reconcile()
    found = world.child(DEPLOYMENT)
    assert found is not None
    in_place = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    assert found["spec"]["strategy"] == in_place
    assert found["spec"]["template"] == template, "no other rollout"
    del world.cluster.objects[POD.plural, NAMESPACE, old["metadata"]["name"]]
    world.settle()
    found = world.child(DEPLOYMENT)
    assert found is not None
    assert found["spec"]["strategy"] == surge
    assert world.condition()["reason"] == "Deployed"
