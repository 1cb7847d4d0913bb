"""The rules of reconciling, as steps and checks on a world.

Each rule is a function of a world. `RULES` runs on an in-memory cluster and on a real API server, so that the in-memory
cluster behaves as the real one does.
"""

from __future__ import annotations

from collections.abc import Callable

from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    NETWORK_POLICY,
    RESOURCE,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
)
from face_comparison_operator.contest import LIMIT
from support.drift_edits import sidecar
from support.drift_rules import DRIFT_RULES
from support.reconcile_world import CPU, Object, World, becomes, deploy, has


def orphans_are_adopted(world: World) -> None:
    deploy(world)
    uids = {kind: has(world, kind, "metadata", "uid") for kind in (DEPLOYMENT, SERVICE, INGRESS, DISRUPTION_BUDGET)}
    before = world.resource_uid()
    world.recreate()
    for kind, uid in uids.items():

        def adopted(kind: ApiResource = kind) -> bool:
            owners = has(world, kind, "metadata", "ownerReferences") or []
            return [each["uid"] for each in owners] == [world.resource_uid()]

        world.eventually(adopted, f"the {kind.name} is adopted")
        assert has(world, kind, "metadata", "uid") == uid, "it is the same object"
    assert world.resource_uid() != before
    becomes(world, "Deployed")


_FOREIGN: list[tuple[ApiResource, Object]] = [
    (SERVICE, {"spec": {"ports": [{"port": 9}]}}),
    (SERVICE_ACCOUNT, {"automountServiceAccountToken": True}),
    (INGRESS, {"spec": {"defaultBackend": {"service": {"name": "other", "port": {"number": 9}}}}}),
    (DISRUPTION_BUDGET, {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "other"}}}}),
    (NETWORK_POLICY, {"spec": {"podSelector": {"matchLabels": {"app": "other"}}}}),
    (
        AUTOSCALER,
        {
            "spec": {
                "maxReplicas": 7,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"},
            }
        },
    ),
    (
        DEPLOYMENT,
        {
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "other"}},
                "template": {"metadata": {"labels": {"app": "other"}}, "spec": {"containers": [sidecar("other")]}},
            }
        },
    ),
]


def foreign_objects_are_not_changed(world: World) -> None:
    for kind, body in _FOREIGN:
        world.add(kind, body)
    before = {kind: has(world, kind, "metadata", "resourceVersion") for kind, _ in _FOREIGN}
    world.create(accelerator=CPU, networkPolicy=True, autoscaling={})
    becomes(world, "NameConflict")
    assert world.condition()["status"] == "False"
    missing = [
        kind.name for kind, _ in _FOREIGN if f"the {kind.name} " not in world.condition("SpecAccepted")["message"]
    ]
    assert not missing, "each is named"
    touched = [
        kind.name
        for kind, _ in _FOREIGN
        if has(world, kind, "metadata").get("ownerReferences") or "facecomparison.dev/desired" in str(world.child(kind))
    ]
    assert not touched
    assert {
        kind: has(world, kind, "metadata", "resourceVersion") for kind in (SERVICE, INGRESS)
    }.items() <= before.items()
    for kind, _ in _FOREIGN:
        world.delete(kind)
    world.eventually(lambda: has(world, SERVICE, "metadata", "ownerReferences"), "the Service is its own")
    world.eventually(lambda: has(world, DEPLOYMENT, "metadata", "ownerReferences"), "the Deployment is its own")


def children_do_not_refer_to_foreign_objects(world: World) -> None:
    """Pods would run as somebody else's ServiceAccount, and a route would publish somebody else's Service."""
    world.add(SERVICE_ACCOUNT, {})
    world.add(SERVICE, {"spec": {"ports": [{"name": "http", "port": 80}]}})
    world.create(accelerator=CPU, autoscaling={})
    becomes(world, "NameConflict")
    assert world.child(DISRUPTION_BUDGET), "what refers to neither is created"
    assert not [kind.name for kind in (DEPLOYMENT, INGRESS, AUTOSCALER) if world.child(kind)]
    for kind in (SERVICE_ACCOUNT, SERVICE):
        world.delete(kind)
    for kind in (DEPLOYMENT, INGRESS, AUTOSCALER):
        world.eventually(lambda kind=kind: world.child(kind), f"the {kind.name} is there")  # type: ignore[misc]


def foreign_deployment_is_not_scaled(world: World) -> None:
    body = next(body for kind, body in _FOREIGN if kind == DEPLOYMENT)
    world.add(DEPLOYMENT, body)
    world.create(accelerator=CPU, autoscaling={})
    becomes(world, "NameConflict")
    assert world.child(INGRESS), "what does not refer to it is created"
    assert not world.child(AUTOSCALER)
    world.delete(DEPLOYMENT)
    world.eventually(lambda: world.child(AUTOSCALER), "it is scaled once it is its own")


def labels_alone_are_not_adopted(world: World) -> None:
    labels = {"app.kubernetes.io/managed-by": "face-comparison-operator", "app.kubernetes.io/instance": "faces"}
    world.add(SERVICE, {"metadata": {"labels": labels}, "spec": {"ports": [{"port": 9}]}})
    world.create(accelerator=CPU)
    becomes(world, "NameConflict")
    assert has(world, SERVICE, "spec", "ports", 0)["port"] == 9


def contest_with_another_program_is_reported(world: World) -> None:
    """Both would write forever; once the other has stopped, the child is as it should be.

    The other writes a different value each time.
    """
    deploy(world)
    edits = 0

    def change_back() -> bool:
        nonlocal edits
        if has(world, DISRUPTION_BUDGET, "spec", "maxUnavailable") == 1:
            world.edit(DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 5 + edits}})
            edits += 1
        return bool(world.condition().get("reason") == "ApplyFailed")

    world.eventually(change_back, "it is reported")
    assert edits <= LIMIT + 1, "it was not repaired any more at once"
    message = world.condition()["message"]
    assert "another program keeps changing the PodDisruptionBudget faces" in message
    assert "spec.maxUnavailable" in message

    def is_repaired() -> bool:
        return bool(has(world, DISRUPTION_BUDGET, "spec", "maxUnavailable") == 1)

    stays_reported(world, is_repaired, lambda: world.edit(DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 4}}))
    world.eventually(is_repaired, "the budget is as before")
    becomes(world, "Deployed")


def stays_reported(world: World, is_repaired: Callable[[], bool], change_back: Callable[[], None]) -> None:
    """Ready stays False during two more repairs of a reported contest."""
    since = world.condition()["lastTransitionTime"]
    for _ in range(2):
        world.eventually(is_repaired, "it is repaired again")
        change_back()
    assert world.condition()["lastTransitionTime"] == since, "it was not ready in between"


def repeated_deletion_is_reported(world: World) -> None:
    """Both would act forever; once the other has stopped, the child exists."""
    deploy(world)
    uids: set[str] = set()

    def delete_again() -> bool:
        if uid := has(world, DISRUPTION_BUDGET, "metadata", "uid"):
            uids.add(uid)
            world.delete(DISRUPTION_BUDGET)
        return bool(world.condition().get("reason") == "ApplyFailed")

    world.eventually(delete_again, "it is reported")
    assert len(uids) <= LIMIT + 2, "it was not created any more at once"
    message = world.condition()["message"]
    assert "another program keeps changing the PodDisruptionBudget faces" in message
    assert "it was deleted" in message

    def exists() -> bool:
        return world.child(DISRUPTION_BUDGET) is not None

    stays_reported(world, exists, lambda: world.delete(DISRUPTION_BUDGET))
    world.eventually(exists, "the budget is there again")
    becomes(world, "Deployed")


def repeatedly_removed_owner_is_reported(world: World) -> None:
    deploy(world)

    def remove_again() -> bool:
        if has(world, SERVICE, "metadata", "ownerReferences"):
            world.edit(SERVICE, {"metadata": {"ownerReferences": None}})
        return bool(world.condition().get("reason") == "ApplyFailed")

    world.eventually(remove_again, "it is reported")
    assert "another program keeps changing the Service faces" in world.condition()["message"]
    assert "it has no owner" in world.condition()["message"]
    world.eventually(lambda: has(world, SERVICE, "metadata", "ownerReferences"), "it is adopted again")
    becomes(world, "Deployed")


def repeated_changes_of_the_spec_are_no_contest(world: World) -> None:
    """An autoscaler of the resource itself changes the number of replicas again and again."""
    deploy(world)
    for round_number in range(2 * LIMIT):
        replicas = 2 + round_number % 2
        world.change(replicas=replicas)
        world.eventually(
            lambda replicas=replicas: has(world, DEPLOYMENT, "spec", "replicas") == replicas,  # type: ignore[misc]
            "the Deployment follows",
        )
    becomes(world, "Accepted", "SpecAccepted")


def deleted_children_are_recreated(world: World) -> None:
    deploy(world)
    uid = has(world, SERVICE, "metadata", "uid")
    world.delete(SERVICE)
    world.eventually(lambda: has(world, SERVICE, "metadata", "uid") not in (None, uid), "there is another Service")


def child_stuck_terminating_is_reported(world: World) -> None:
    deploy(world)
    world.edit(DISRUPTION_BUDGET, {"metadata": {"finalizers": ["example.com/slow"]}})
    world.delete(DISRUPTION_BUDGET)
    becomes(world, "ChildTerminating")
    assert "example.com/slow" in world.condition()["message"]
    world.edit(DISRUPTION_BUDGET, {"metadata": {"finalizers": None}})
    becomes(world, "Deployed")


def resource_waiting_for_finalizer_is_reported(world: World) -> None:
    """And nothing of it is created any more."""
    deploy(world)
    world.edit(RESOURCE, {"metadata": {"finalizers": ["example.com/hold"]}})
    world.delete(RESOURCE)
    becomes(world, "Terminating")
    assert "example.com/hold" in world.condition()["message"]
    assert "previous version" not in world.condition()["message"]
    assert world.condition()["observedGeneration"] == world.generation()
    world.delete(DISRUPTION_BUDGET)
    world.eventually(lambda: world.child(DISRUPTION_BUDGET) is None, "the budget is gone")
    world.edit(DEPLOYMENT, {"spec": {"replicas": 0}})
    becomes(world, "NoPodReady", "Available")
    assert world.child(DISRUPTION_BUDGET) is None
    world.edit(RESOURCE, {"metadata": {"finalizers": None}})


def child_with_wrong_immutable_field_is_replaced(world: World) -> None:
    deploy(world)
    owner = has(world, SERVICE, "metadata", "ownerReferences")
    for kind, spec in (
        (SERVICE, {"clusterIP": "None", "ports": [{"port": 9}]}),
        (DEPLOYMENT, _OTHER_PODS),
    ):
        uid = has(world, kind, "metadata", "uid")
        metadata = {"ownerReferences": owner, "labels": has(world, kind, "metadata", "labels")}
        # What `kubectl replace --force` does, while nothing is created in between.
        world.change(paused=True)
        becomes(world, "Deployed")
        world.delete(kind)
        world.eventually(lambda kind=kind: world.child(kind) is None, "it is gone")  # type: ignore[misc]
        world.add(kind, {"metadata": metadata, "spec": spec})
        world.change(paused=False)

        def replaced(kind: ApiResource = kind, uid: str = uid) -> bool:
            found = world.child(kind) or {"metadata": {"uid": uid}}
            selector = {"app.kubernetes.io/instance": "faces"}.items()
            wanted = found.get("spec", {}).get("selector") or {}
            return found["metadata"]["uid"] != uid and selector <= wanted.get("matchLabels", wanted).items()

        world.eventually(replaced, f"the {kind.name} is one that serves")
        assert has(world, kind, "spec").get("clusterIP") != "None"
    becomes(world, "Deployed")


_OTHER_PODS: Object = {
    "selector": {"matchLabels": {"app": "other"}},
    "template": {
        "metadata": {"labels": {"app": "other"}},
        "spec": {"containers": [{"name": "other", "image": "registry.example/other:1"}]},
    },
}


def children_no_longer_desired_are_pruned(world: World) -> None:
    deploy(world, networkPolicy=True, autoscaling={})
    world.eventually(lambda: world.child(NETWORK_POLICY) and world.child(AUTOSCALER), "both exist")
    world.change(networkPolicy=False, autoscaling=None)
    world.eventually(lambda: not (world.child(NETWORK_POLICY) or world.child(AUTOSCALER)), "both are gone")


def stuck_prune_is_reported(world: World) -> None:
    """It keeps nothing from serving, but it still has its effect."""
    deploy(world, networkPolicy=True)
    world.eventually(lambda: world.child(NETWORK_POLICY), "it exists")
    world.edit(NETWORK_POLICY, {"metadata": {"finalizers": ["example.com/slow"]}})
    world.change(networkPolicy=False)
    becomes(world, "ChildTerminating", "SpecAccepted")
    message = world.condition("SpecAccepted")["message"]
    assert "the NetworkPolicy faces, which is no longer desired, is still being deleted" in message
    assert "example.com/slow" in message
    assert world.condition()["status"] == "True"
    world.edit(NETWORK_POLICY, {"metadata": {"finalizers": None}})
    becomes(world, "Accepted", "SpecAccepted")


def serving_route_is_retained(world: World) -> None:
    deploy(world)
    world.change(route={"gateway": {"parentRefs": [{"name": "nosuch"}]}})
    world.eventually(lambda: world.condition()["reason"] in ("ApiNotInstalled", "RouteNotAccepted"), "it is reported")
    assert world.child(INGRESS) is not None


def undesired_route_is_pruned(world: World) -> None:
    deploy(world)
    world.change(route={"none": {}})
    world.eventually(lambda: world.child(INGRESS) is None, "the Ingress is gone")
    becomes(world, "ClusterInternal", "RouteReady")


def service_account_of_running_pods_is_retained(world: World) -> None:
    deploy(world)
    world.change(image="not-permitted.example/x:1", serviceAccountName="default")
    becomes(world, "NotPermitted")
    assert world.child(SERVICE_ACCOUNT) is not None
    assert "spec.image" in world.condition("SpecAccepted")["message"]
    assert "the previous version is still serving" in world.condition()["message"]
    world.change(image=None, serviceAccountName=None)
    becomes(world, "Deployed")


def url_is_kept_while_spec_is_not_applied(world: World) -> None:
    """Whatever keeps the spec from being applied: the previous URL serves, and a new one was only asked for."""
    deploy(world, stage="v2", route={"host": "faces.example.com", "ingress": {"tls": True}})
    url = "https://faces.example.com/v2/face_comparison"
    wanted = {"stage": "v3", "route": {"host": "elsewhere.example.com", "ingress": {"tls": None}}}
    asked = {"stage": "v2", "route": {"host": "faces.example.com", "ingress": {"tls": True}}}
    assert world.url() == url
    obstacles: list[tuple[str, Object]] = [
        ("NotPermitted", {"image": "not-permitted.example/x:1"}),
        ("InvalidSpec", {"autoscaling": {}, "resources": {"requests": {"cpu": None}}}),
        ("Paused", {"paused": True}),
    ]
    for reason, obstacle in obstacles:
        world.change(**wanted, **obstacle)
        becomes(world, reason)
        assert world.url() == url, reason
        assert reason == "Paused" or world.condition("RouteReady")["status"] == "True", reason
        world.change(image=None, autoscaling=None, resources={"requests": {"cpu": "1"}}, paused=False, **asked)
        becomes(world, "Deployed")


def paused_resource_is_not_changed(world: World) -> None:
    deploy(world)
    world.change(paused=True)
    world.eventually(lambda: world.condition("SpecAccepted").get("observedGeneration") == 2, "it is observed")
    assert world.condition()["reason"] == "Deployed", "pausing alone changes nothing"
    world.delete(DISRUPTION_BUDGET)
    becomes(world, "Paused")
    assert world.child(DISRUPTION_BUDGET) is None
    world.change(paused=False)
    becomes(world, "Deployed")
    assert world.child(DISRUPTION_BUDGET) is not None


RULES: list[Callable[[World], None]] = [
    *DRIFT_RULES,
    orphans_are_adopted,
    foreign_objects_are_not_changed,
    children_do_not_refer_to_foreign_objects,
    foreign_deployment_is_not_scaled,
    labels_alone_are_not_adopted,
    contest_with_another_program_is_reported,
    repeated_deletion_is_reported,
    repeatedly_removed_owner_is_reported,
    repeated_changes_of_the_spec_are_no_contest,
    deleted_children_are_recreated,
    child_stuck_terminating_is_reported,
    resource_waiting_for_finalizer_is_reported,
    child_with_wrong_immutable_field_is_replaced,
    children_no_longer_desired_are_pruned,
    stuck_prune_is_reported,
    serving_route_is_retained,
    undesired_route_is_pruned,
    service_account_of_running_pods_is_retained,
    url_is_kept_while_spec_is_not_applied,
    paused_resource_is_not_changed,
]
