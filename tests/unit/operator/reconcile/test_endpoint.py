"""When the URL is probed, what is expected there, and which route it belongs to."""

from __future__ import annotations

import pytest

from face_comparison_operator.api_resources import (
    GATEWAY,
    HTTP_ROUTE,
    INGRESS,
    RESOURCE,
)
from face_comparison_operator.observation import Expectation, ProbeResult
from face_comparison_operator.routing import RouteState
from support.memory_world import NAME, NAMESPACE, MemoryWorld
from support.reconcile_world import CPU, becomes, deploy


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


def test_deleted_gateway_makes_resource_unready(world: MemoryWorld) -> None:
    world.cluster.missing = set()
    gateway = {"spec": {"listeners": [{"name": "web", "protocol": "HTTP", "port": 80}]}}
    public = {"metadata": {"name": "public", "namespace": NAMESPACE}}
    world.cluster.add(GATEWAY, {**gateway, **public, "status": {"addresses": [{"value": "192.0.2.9"}]}})
    world.create(accelerator=CPU, route={"host": "f.example.com", "gateway": {"parentRefs": [{"name": "public"}]}})
    world.eventually(lambda: world.child(HTTP_ROUTE), "the HTTPRoute exists")
    reported = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1}
    parents = [{"parentRef": {"name": "public"}, "conditions": [reported]}]
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
    reported = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1}
    world.edit(HTTP_ROUTE, {"status": {"parents": [{"parentRef": {"name": "public"}, "conditions": [reported]}]}})
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
