"""Reconcile rules on an in-memory cluster, and what only it can show: requests, delays, and races."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from face_comparison_operator.api_resources import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    GATEWAY,
    HTTP_ROUTE,
    INGRESS,
    POD,
    RESOURCE,
    SCALED_OBJECT,
    SERVICE,
    ApiResource,
)
from face_comparison_operator.errors import Conflict, NotFound
from face_comparison_operator.observation import Expectation, ProbeResult
from face_comparison_operator.reconcile import REPORTED_FAILURES
from face_comparison_operator.routing import RouteState
from support.memory_cluster import Object
from support.memory_world import NAME, NAMESPACE, MemoryWorld
from support.reconcile_rules import RULES
from support.reconcile_world import CPU, becomes, deploy


@pytest.fixture
def world() -> Iterator[MemoryWorld]:
    made = MemoryWorld()
    yield made
    made.loop.close()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(world: MemoryWorld, rule: Callable[[Any], None]) -> None:
    rule(world)


# --- requests and delays ----------------------------------------------------------------------------------------------


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


def test_new_resource_costs_few_requests(world: MemoryWorld) -> None:
    deploy(world)
    assert (
        len([each for each in world.cluster.requests if each[0] in ("create", "patch") and each[1] != EVENT.plural])
        <= 9
    )


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


def test_missing_optional_api_does_not_block_serving(world: MemoryWorld) -> None:
    deploy(world, autoscaling={"metric": "InFlight"})
    assert world.condition("AutoscalerReady")["reason"] == "ApiNotInstalled"
    world.cluster.missing.discard(SCALED_OBJECT)
    world.eventually(lambda: world.child(SCALED_OBJECT), "the ScaledObject exists")


def test_autoscaler_is_pruned_only_on_conflict(world: MemoryWorld) -> None:
    from face_comparison_operator.api_resources import AUTOSCALER

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


def test_missing_permission_is_reported(world: MemoryWorld) -> None:
    world.cluster.forbidden["create", "ingresses"] = "the operator may not create ingresses"
    world.create(accelerator=CPU)
    becomes(world, "ApplyFailed")
    assert "may not create ingresses" in world.condition()["message"]


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


def test_child_of_earlier_resource_is_reported_until_collected(world: MemoryWorld) -> None:
    owner = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "name": NAME, "uid": "earlier"}
    world.add(SERVICE, {"metadata": {"ownerReferences": [owner]}, "spec": {}})
    world.create(accelerator=CPU)
    becomes(world, "ChildTerminating")
    assert "of an earlier faces" in world.condition()["message"]
    world.delete(SERVICE)
    world.eventually(lambda: world.condition()["reason"] == "AddressPending", "it goes on")


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


# --- responses of other resources -------------------------------------------------------------------------------------


def test_two_resources_of_one_host_are_distinguished_by_response(world: MemoryWorld) -> None:
    """Whichever the ingress controller prefers, older or younger, only that one is ready."""
    serving = "uid-0"
    world.answer = lambda route, expected: (
        ProbeResult("ok", version="m")
        if expected.identity == serving
        else ProbeResult("unexpected", "another", other=serving)
    )
    for namespace in ("t0", "t1"):
        world.create("h", namespace, accelerator=CPU, route={"host": "both.example.com"})
        world.step()
        world.publish("h", namespace)
    uids = {key[1]: body["metadata"]["uid"] for key, body in world.cluster.objects.items() if key[0] == RESOURCE.plural}
    for winner, loser in (("t0", "t1"), ("t1", "t0"), ("t0", "t1")):
        serving = uids[winner]
        world.eventually(
            lambda winner=winner, loser=loser: (
                (  # type: ignore[misc]
                    world.condition(name="h", namespace=winner).get("reason"),
                    world.condition(name="h", namespace=loser).get("reason"),
                )
                == ("Deployed", "EndpointUnreachable")
            ),
            "the status follows",
        )
        assert "a FaceComparison in another namespace" in world.condition(name="h", namespace=loser)["message"]


def test_other_resource_of_the_namespace_is_named(world: MemoryWorld) -> None:
    world.create("first", accelerator=CPU)
    world.step()
    uid = world.cluster.objects[RESOURCE.plural, NAMESPACE, "first"]["metadata"]["uid"]
    world.answer = lambda route, expected: ProbeResult("unexpected", "another", other=uid)
    world.create(accelerator=CPU)
    world.step()
    world.publish()
    becomes(world, "EndpointUnreachable")
    assert "the FaceComparison first" in world.condition()["message"]


def test_new_resource_triggers_probe_of_existing_one(world: MemoryWorld) -> None:
    deploy(world, route={"host": "both.example.com"})
    world.settle()
    world.create("second", accelerator=CPU, route={"host": "both.example.com"})
    world.step()
    world.publish("second")
    world.requeued.clear()
    world.cluster.run_controllers()
    world.reconcile("second")
    assert (NAMESPACE, NAME) in world.requeued


def test_unchanged_probe_result_triggers_no_reconcile(world: MemoryWorld) -> None:
    deploy(world)
    world.settle()
    world.requeued.clear()
    before = len(world.probed)
    for _ in range(3):
        world.clock += 10
        assert world.reconcile().requeue_after == pytest.approx(2.1), "then the next probe is due"
    assert len(world.probed) == before + 3
    assert world.requeued == []
    world.answer = lambda route, expected: ProbeResult("ok", version="m-2")
    world.clock += 10
    world.reconcile()
    assert world.requeued == [(NAMESPACE, NAME)]


def test_url_is_probed_after_losing_pods(world: MemoryWorld) -> None:
    deploy(world)
    world.answer = lambda route, expected: ProbeResult("unexpected", "it answers 404")
    world.change(replicas=0)
    becomes(world, "ScaledToZero")
    world.change(replicas=1)
    becomes(world, "EndpointUnreachable")


def test_probe_expectations_follow_the_spec(world: MemoryWorld) -> None:
    seen: list[Expectation] = []

    def answer(route: RouteState, expected: Expectation) -> ProbeResult:
        seen.append(expected)
        return ProbeResult("ok", version="m")

    world.answer = answer
    deploy(world, auth={"mode": "ApiKey", "secretName": "keys"})
    assert (seen[-1].identity, seen[-1].authenticated, seen[-1].shared) == (world.resource_uid(), True, False)


# --- Gateways ---------------------------------------------------------------------------------------------------------


def test_deleted_gateway_makes_resource_unready(world: MemoryWorld) -> None:
    world.cluster.missing = set()
    gateway = {"spec": {"listeners": [{"name": "web", "protocol": "HTTP", "port": 80}]}}
    public = {"metadata": {"name": "public", "namespace": NAMESPACE}}
    world.cluster.add(GATEWAY, {**gateway, **public, "status": {"addresses": [{"value": "192.0.2.9"}]}})
    world.create(accelerator=CPU, route={"host": "f.example.com", "gateway": {"parentRefs": [{"name": "public"}]}})
    world.eventually(lambda: world.child(HTTP_ROUTE), "the HTTPRoute exists")
    told = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1}
    parents = [{"parentRef": {"name": "public"}, "conditions": [told]}]
    world.edit(HTTP_ROUTE, {"status": {"parents": parents}})
    becomes(world, "Deployed")
    world.cluster.remove(GATEWAY, NAMESPACE, "public")
    began = world.clock
    becomes(world, "RouteNotAccepted")
    assert world.clock - began <= 5
    assert "public does not exist" in world.condition()["message"]


def test_url_of_the_previous_route_stays_until_the_new_one_is_accepted(world: MemoryWorld) -> None:
    world.cluster.missing = set()
    deploy(world, route={"host": "old.example.com"})
    gateway = {"metadata": {"name": "public", "namespace": NAMESPACE}, "spec": {}}
    world.cluster.add(GATEWAY, {**gateway, "status": {"addresses": [{"value": "192.0.2.9"}]}})
    world.change(route={"host": "new.example.com", "gateway": {"parentRefs": [{"name": "public"}]}})
    becomes(world, "RoutePending")
    assert world.child(INGRESS) is not None
    assert world.url() == "http://old.example.com/prod/face_comparison"
    told = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1}
    world.edit(HTTP_ROUTE, {"status": {"parents": [{"parentRef": {"name": "public"}, "conditions": [told]}]}})
    becomes(world, "Deployed")
    assert world.url() == "http://new.example.com/prod/face_comparison"
    world.change(route={"host": "newest.example.com", "gateway": None})
    becomes(world, "AddressPending")
    assert world.url() == "http://new.example.com/prod/face_comparison"
    world.publish()
    becomes(world, "Deployed")
    assert world.url() == "http://newest.example.com/prod/face_comparison"


def test_unreadable_gateway_is_assumed_to_exist(world: MemoryWorld) -> None:
    world.cluster.missing = set()
    world.cluster.forbidden["get", GATEWAY.plural] = "no"
    world.create(accelerator=CPU, route={"host": "f.example.com", "gateway": {"parentRefs": [{"name": "public"}]}})
    world.eventually(lambda: world.condition().get("reason") == "RoutePending", "it waits for the Gateway")


# --- capacity ---------------------------------------------------------------------------------------------------------


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
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "1 Insufficient cpu"}
    metadata = {"name": "faces-new", "namespace": NAMESPACE, **template["metadata"]}
    waiting = {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending", "conditions": [told]}}
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
