"""The rules of drift: which changes of children are repaired, and which are kept."""

from __future__ import annotations

from collections.abc import Callable

from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
)
from support.drift_edits import EDITS
from support.reconcile_world import CPU, Object, World, becomes, deploy, has


def exclusive_disruption_budget_fields_are_repaired(world: World) -> None:
    deploy(world)
    world.edit(DISRUPTION_BUDGET, {"spec": {"maxUnavailable": None, "minAvailable": 1}})
    world.eventually(
        lambda: (
            (
                has(world, DISRUPTION_BUDGET, "spec", "maxUnavailable"),
                has(world, DISRUPTION_BUDGET, "spec").get("minAvailable"),
            )
            == (1, None)
        ),
        "the budget is as before",
    )
    becomes(world, "Deployed")


def exclusive_strategy_fields_are_repaired(world: World) -> None:
    deploy(world, strategy={"type": "Recreate"})
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3}}
    world.edit(DEPLOYMENT, {"spec": {"strategy": rolling}})
    world.eventually(
        lambda: has(world, DEPLOYMENT, "spec", "strategy") == {"type": "Recreate"}, "the strategy is as before"
    )
    becomes(world, "Deployed")


def cpu_utilization_requires_cpu_request(world: World) -> None:
    world.create(accelerator=CPU, autoscaling={}, resources={"limits": {"memory": "1Gi"}})
    becomes(world, "InvalidSpec")
    assert "set resources.requests.cpu" in world.condition()["message"]
    world.change(resources={"requests": {"cpu": 0.5}})
    world.eventually(lambda: world.child(AUTOSCALER), "the autoscaler exists")
    assert has(world, DEPLOYMENT, "spec", "template", "spec", "containers", 0, "resources", "requests", "cpu") in (
        "0.5",
        "500m",
    )


def service_type_is_repaired(world: World) -> None:
    deploy(world)
    world.edit(SERVICE, {"spec": {"type": "ExternalName", "externalName": "elsewhere.example.com"}})
    # The API server keeps the other field, which means nothing with this type.
    world.eventually(lambda: has(world, SERVICE, "spec", "type") == "ClusterIP", "the type is as before")


def additional_selector_key_is_removed(world: World) -> None:
    deploy(world)
    before = has(world, SERVICE, "spec", "selector")
    world.edit(SERVICE, {"spec": {"selector": {"track": "canary"}}})
    world.eventually(lambda: has(world, SERVICE, "spec", "selector") == before, "the selector is as before")


def additional_disruption_budget_selector_key_is_removed(world: World) -> None:
    deploy(world)
    before = has(world, DISRUPTION_BUDGET, "spec", "selector")
    world.edit(DISRUPTION_BUDGET, {"spec": {"selector": {"matchLabels": {"track": "canary"}}}})
    world.eventually(lambda: has(world, DISRUPTION_BUDGET, "spec", "selector") == before, "the selector is as before")


def additional_node_selector_key_is_removed(world: World) -> None:
    deploy(world)
    path = ("spec", "template", "spec", "nodeSelector")
    before = has(world, DEPLOYMENT, *path)
    world.edit(DEPLOYMENT, {"spec": {"template": {"spec": {"nodeSelector": {"example.com/rack": "7"}}}}})
    world.eventually(lambda: has(world, DEPLOYMENT, *path) == before, "the selector is as before")


def paused_rollout_is_resumed(world: World) -> None:
    deploy(world)
    world.edit(DEPLOYMENT, {"spec": {"paused": True}})
    world.eventually(lambda: not has(world, DEPLOYMENT, "spec").get("paused"), "the rollout goes on")


def edits_are_repaired(world: World) -> None:
    """Whatever an edit changes, adds, or removes, and whichever field manager made it."""
    deploy(world, networkPolicy=True, autoscaling={})
    world.eventually(lambda: world.child(NETWORK_POLICY) and world.child(AUTOSCALER), "every child exists")
    for sentence, kind, edit in EDITS:
        before = world.child(kind)
        assert before is not None
        expected = meaning(before)
        world.edit(kind, edit(before))

        def is_repaired(kind: ApiResource = kind, expected: Object = expected) -> bool:
            found = world.child(kind)
            return found is not None and meaning(found) == expected

        world.eventually(is_repaired, f"{sentence}: the {kind.name} is as before")
    becomes(world, "Deployed")


def meaning(child: Object) -> Object:
    """Returns the desired state in an object, without what changes by itself."""
    metadata = child["metadata"]
    rest = {name: value for name, value in child.items() if name not in ("metadata", "status")}
    return {**rest, "labels": metadata["labels"], "owners": metadata.get("ownerReferences")}


def fields_of_others_are_kept(world: World) -> None:
    """Fields that other programs are meant to write belong to them."""
    deploy(world)
    annotation = {"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05Z"}
    world.edit(DEPLOYMENT, {"spec": {"template": {"metadata": {"annotations": annotation}}}})
    world.edit(SERVICE, {"metadata": {"labels": {"team": "vision"}, "finalizers": ["example.com/load-balancer"]}})
    world.edit(SERVICE_ACCOUNT, {"imagePullSecrets": [{"name": "of-the-platform"}]})
    world.edit(DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 3}})
    world.change(limits={"queue": 61})  # makes the operator apply the Deployment
    world.eventually(lambda: has(world, DISRUPTION_BUDGET, "spec", "maxUnavailable") == 1, "the budget is as before")
    becomes(world, "Deployed")
    assert has(world, DEPLOYMENT, "spec", "template", "metadata", "annotations").items() >= annotation.items()
    assert has(world, SERVICE, "metadata", "labels", "team") == "vision"
    assert has(world, SERVICE, "metadata", "finalizers") == ["example.com/load-balancer"]
    assert has(world, SERVICE_ACCOUNT, "imagePullSecrets") == [{"name": "of-the-platform"}]
    world.edit(SERVICE, {"metadata": {"finalizers": None}})


def acme_challenge_paths_are_kept(world: World) -> None:
    deploy(world, route={"host": "faces.example.com"})
    rule = has(world, INGRESS, "spec", "rules", 0)
    (own,) = rule["http"]["paths"]
    backend = {"service": {"name": "cm-acme-http-solver-1", "port": {"number": 8089}}}
    challenge = {"path": "/.well-known/acme-challenge/token", "pathType": "ImplementationSpecific", "backend": backend}
    world.edit(INGRESS, {"spec": {"rules": [{**rule, "http": {"paths": [challenge, own]}}]}})
    world.change(stage="v2")  # makes the operator apply the Ingress

    def paths() -> set[str]:
        return {each["path"] for each in has(world, INGRESS, "spec", "rules", 0)["http"]["paths"]}

    world.eventually(lambda: "/v2" in paths(), "the stage has changed")
    assert "/.well-known/acme-challenge/token" in paths()
    others = [{**rule, "http": {"paths": [{**own, "path": "/foreign"}, own]}}]
    world.edit(INGRESS, {"spec": {"rules": others}})
    world.eventually(lambda: "/foreign" not in paths(), "any other path is removed")


def annotations_of_others_are_kept(world: World) -> None:
    deploy(world)
    world.edit(SERVICE, {"metadata": {"annotations": {"example.com/seen": "yes"}}, "spec": {"selector": {"a": "b"}}})
    world.eventually(lambda: "a" not in has(world, SERVICE, "spec", "selector"), "the selector is as before")
    assert has(world, SERVICE, "metadata", "annotations", "example.com/seen") == "yes"


DRIFT_RULES: list[Callable[[World], None]] = [
    exclusive_disruption_budget_fields_are_repaired,
    exclusive_strategy_fields_are_repaired,
    cpu_utilization_requires_cpu_request,
    service_type_is_repaired,
    additional_selector_key_is_removed,
    additional_disruption_budget_selector_key_is_removed,
    additional_node_selector_key_is_removed,
    paused_rollout_is_resumed,
    edits_are_repaired,
    fields_of_others_are_kept,
    acme_challenge_paths_are_kept,
    annotations_of_others_are_kept,
]
