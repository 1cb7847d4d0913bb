"""When the status is written, and when it is not."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.api_resources import (
    DEPLOYMENT,
    EVENT,
    INGRESS,
    NETWORK_POLICY,
    RESOURCE,
    SERVICE,
    ApiResource,
)
from face_comparison_operator.errors import Conflict, NotFound
from face_comparison_operator.reconcile import OBSERVED_GENERATION_GRACE, REPORTED_FAILURES
from support.memory_cluster import Object
from support.memory_world import NAME, NAMESPACE, MemoryWorld
from support.reconcile_world import CPU, becomes, deploy


def test_idle_reconcile_writes_nothing(world: MemoryWorld) -> None:
    deploy(world)
    world.settle()
    before = len(world.cluster.requests)
    for _ in range(20):
        world.reconcile()
        world.clock += 1
    assert [each for each in world.cluster.requests[before:] if each[0] != "get"] == []


def test_foreign_status_fields_are_kept(world: MemoryWorld) -> None:
    deploy(world)
    world.settle()
    body = world.cluster.objects[RESOURCE.plural, NAMESPACE, NAME]
    body["status"] = {
        **body["status"],
        "conditions": [*body["status"]["conditions"], {"type": "Mine", "status": "True"}],
    }
    body["metadata"]["resourceVersion"] = "9999"
    world.cluster.requests.clear()
    world.reconcile()
    assert [each for each in world.cluster.requests if each[0] != "get"] == []
    body["status"]["conditions"][0] = {**body["status"]["conditions"][0], "reason": "Forged"}
    body["metadata"]["resourceVersion"] = "10000"
    world.reconcile()
    assert ("patch", RESOURCE.plural) in world.cluster.requests


def test_first_status_is_delayed_until_children_exist(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server is busy with other resources' children, which come first."""
    create = world.cluster.create

    async def slowly(kind: ApiResource, body: Object) -> Object:
        world.clock += 0.4
        return await create(kind, body)

    monkeypatch.setattr(world.cluster, "create", slowly)
    world.create(accelerator=CPU)
    took = 2 * 0.4 * 5  # twice, because pods are starting
    assert world.reconcile().requeue_after == pytest.approx(took)
    world.clock += took - 0.1
    world.reconcile()
    assert world.condition() == {}
    world.clock += 0.2
    world.reconcile()
    assert world.condition()["reason"] == "Deploying"


def test_first_deploying_status_is_delayed_longest(world: MemoryWorld) -> None:
    """Pods that start at once make it outdated; what keeps them from starting is reported soon."""
    world.create(accelerator=CPU)
    assert world.reconcile().requeue_after == pytest.approx(2.0)
    world.cluster.rejected[SERVICE.plural] = "no"
    world.create("other", accelerator=CPU)
    assert world.reconcile("other").requeue_after == pytest.approx(0.5)
    world.clock += 0.6
    world.reconcile("other")
    world.reconcile()
    assert world.condition(name="other")["reason"] == "ApplyFailed"
    assert world.condition() == {}
    world.clock += 1.5
    world.reconcile()
    assert world.condition()["reason"] == "Deploying"


def test_status_numbers_are_throttled(world: MemoryWorld) -> None:
    deploy(world, replicas=2)
    world.settle()
    world.edit(DEPLOYMENT, {"status": {"readyReplicas": 1}})
    world.clock += 10
    world.reconcile()
    world.edit(DEPLOYMENT, {"status": {"readyReplicas": 2}})
    before = len(world.cluster.requests)
    result = world.reconcile()
    assert len(world.cluster.requests) == before
    assert result.requeue_after is not None
    assert 0 < result.requeue_after <= 5


def test_conditions_are_written_immediately(world: MemoryWorld) -> None:
    deploy(world)
    world.settle()
    world.edit(INGRESS, {"status": {"loadBalancer": None}})
    world.reconcile()
    assert world.condition()["reason"] == "AddressPending"


@pytest.mark.parametrize("case", ["scaled by the resource", "scaled by its autoscaler", "stuck prune"])
def test_outdated_deployment_status_is_not_reported(world: MemoryWorld, case: str) -> None:
    """The Deployment's controller takes a moment, whoever has changed the Deployment, and whatever else is reported."""
    deploy(world, networkPolicy=True, autoscaling={} if case == "scaled by its autoscaler" else None)
    world.settle()
    if case == "stuck prune":
        world.edit(NETWORK_POLICY, {"metadata": {"finalizers": ["example.com/slow"]}})
        world.change(networkPolicy=False)
        becomes(world, "ChildTerminating", "SpecAccepted")
    world.clock += 60
    world.cluster.pass_time(60)
    world.reconcile()
    if case == "scaled by its autoscaler":
        world.edit(DEPLOYMENT, {"spec": {"replicas": 3}})
    else:
        world.change(replicas=3)
    for _ in range(2):
        requeue_after = world.reconcile().requeue_after
        assert world.condition()["status"] == "True"
    assert requeue_after is not None
    assert requeue_after <= OBSERVED_GENERATION_GRACE
    world.clock += OBSERVED_GENERATION_GRACE
    world.reconcile()
    assert world.condition()["reason"] == "Deploying", "the controller does not run"
    world.settle()
    assert world.condition()["reason"] == "Deployed"


def test_persistent_reconcile_failure_is_reported(world: MemoryWorld) -> None:
    """For example, the name is taken by an object that the cache cannot contain and that is gone when it is read."""
    world.create(accelerator=CPU)

    async def conflict(kind: ApiResource, body: Object) -> Object:
        if kind == EVENT:
            return body
        raise Conflict("somebody has the name")

    world.cluster.create = conflict  # type: ignore[method-assign]
    for _ in range(REPORTED_FAILURES - 1):
        with pytest.raises(NotFound, match="just been deleted"):
            world.reconcile()
    world.reconcile()
    assert world.condition()["reason"] == "ApplyFailed"
    assert "just been deleted" in world.condition()["message"]


def test_first_status_has_ready_and_the_generation(world: MemoryWorld) -> None:
    """Tools that wait judge an object by its first status; before, the CRD's default keeps them waiting."""
    world.create(accelerator=CPU)
    world.eventually(world.condition, "there is a status")
    status = world.cluster.objects[RESOURCE.plural, NAMESPACE, NAME]["status"]
    assert status["observedGeneration"] == 1
    assert world.condition()["status"] == "False"


def test_spec_changed_during_status_update_is_reconciled(world: MemoryWorld) -> None:
    deploy(world)
    world.settle()
    write = world.cluster.write_status

    async def overtaken(*arguments: Any) -> Object:
        world.change(stage="v2")
        return await write(*arguments)

    world.cluster.write_status = overtaken  # type: ignore[method-assign, assignment]
    world.edit(INGRESS, {"status": {"loadBalancer": None}})
    world.requeued.clear()
    world.reconcile()
    assert (NAMESPACE, NAME) in world.requeued


def test_event_in_terminating_namespace_is_ignored(world: MemoryWorld, caplog: pytest.LogCaptureFixture) -> None:
    deploy(world)
    world.cluster.forbidden["create", EVENT.plural] = "forbidden because it is being terminated"
    world.change(replicas=0)
    becomes(world, "ScaledToZero")
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == []
