"""The rules of reconciling, as steps and checks on a world: an in-memory cluster, or a real API server.

Each rule is a function of a world. `RULES` runs on both, so that the in-memory cluster behaves as the real one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

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

Object = dict[str, Any]
CPU = {"type": "cpu"}


class World(Protocol):
    """One resource named `faces` with what lives around it."""

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
    """A resource that is ready."""
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


def exclusive_fields_of_a_disruption_budget(world: World) -> None:
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


def exclusive_fields_of_a_strategy(world: World) -> None:
    deploy(world, strategy={"type": "Recreate"})
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3}}
    world.edit(DEPLOYMENT, {"spec": {"strategy": rolling}})
    world.eventually(
        lambda: has(world, DEPLOYMENT, "spec", "strategy") == {"type": "Recreate"}, "the strategy is as before"
    )
    becomes(world, "Deployed")


def share_of_a_request_that_is_not_made(world: World) -> None:
    world.create(accelerator=CPU, autoscaling={}, resources={"limits": {"memory": "1Gi"}})
    becomes(world, "InvalidSpec")
    assert "set resources.requests.cpu" in world.condition()["message"]
    world.change(resources={"requests": {"cpu": 0.5}})
    world.eventually(lambda: world.child(AUTOSCALER), "the autoscaler exists")
    assert has(world, DEPLOYMENT, "spec", "template", "spec", "containers", 0, "resources", "requests", "cpu") in (
        "0.5",
        "500m",
    )


def type_of_a_service(world: World) -> None:
    deploy(world)
    world.edit(SERVICE, {"spec": {"type": "ExternalName", "externalName": "elsewhere.example.com"}})
    # The API server keeps the other field, which means nothing with this type.
    world.eventually(lambda: has(world, SERVICE, "spec", "type") == "ClusterIP", "the type is as before")


def key_more_in_a_selector(world: World) -> None:
    deploy(world)
    before = has(world, SERVICE, "spec", "selector")
    world.edit(SERVICE, {"spec": {"selector": {"track": "canary"}}})
    world.eventually(lambda: has(world, SERVICE, "spec", "selector") == before, "the selector is as before")


def key_more_in_the_selector_of_a_disruption_budget(world: World) -> None:
    deploy(world)
    before = has(world, DISRUPTION_BUDGET, "spec", "selector")
    world.edit(DISRUPTION_BUDGET, {"spec": {"selector": {"matchLabels": {"track": "canary"}}}})
    world.eventually(lambda: has(world, DISRUPTION_BUDGET, "spec", "selector") == before, "the selector is as before")


def key_more_in_the_selector_of_nodes(world: World) -> None:
    deploy(world)
    path = ("spec", "template", "spec", "nodeSelector")
    before = has(world, DEPLOYMENT, *path)
    world.edit(DEPLOYMENT, {"spec": {"template": {"spec": {"nodeSelector": {"example.com/rack": "7"}}}}})
    world.eventually(lambda: has(world, DEPLOYMENT, *path) == before, "the selector is as before")


def pause_of_a_rollout(world: World) -> None:
    deploy(world)
    world.edit(DEPLOYMENT, {"spec": {"paused": True}})
    world.eventually(lambda: not has(world, DEPLOYMENT, "spec").get("paused"), "the rollout goes on")


def _container(child: Object, **change: Any) -> Object:
    """A patch of the first container of a Deployment."""
    first, *others = child["spec"]["template"]["spec"]["containers"]
    return _pods(containers=[{**first, **change}, *others])


def _pods(**change: Any) -> Object:
    return {"spec": {"template": {"spec": change}}}


def _variables(child: Object, name: str, variable: Object) -> Object:
    """A patch of one variable of the first container, which is added unless it is there."""
    found = child["spec"]["template"]["spec"]["containers"][0]["env"]
    return _container(child, env=[*(each for each in found if each["name"] != name), {"name": name, **variable}])


def _sidecar(name: str) -> Object:
    return {"name": name, "image": "registry.example/other:1"}


_EXEC = {"exec": {"command": ["true"]}, "periodSeconds": 1}
_REPLACED_VOLUMES = [{"name": "tmp", "hostPath": {"path": "/"}}]
_ELSEWHERE = {"service": {"name": "elsewhere", "port": {"number": 80}}}

# What somebody does to a child: a sentence, the kind, and the patch. Each means something else than the resource asks.
EDITS: list[tuple[str, ApiResource, Callable[[Object], Object]]] = [
    (
        "a variable's value from a Secret",
        DEPLOYMENT,
        lambda child: _variables(
            child, "FACE_COMPARISON_STAGE", {"valueFrom": {"secretKeyRef": {"name": "other", "key": "stage"}}}
        ),
    ),
    (
        "a variable more",
        DEPLOYMENT,
        lambda child: _variables(child, "FACE_COMPARISON_ALLOWED_HOSTS", {"value": "0.0.0.0/0"}),
    ),
    ("a probe by a command", DEPLOYMENT, lambda child: _container(child, livenessProbe=_EXEC)),
    ("a probe by TCP", DEPLOYMENT, lambda child: _container(child, readinessProbe={"tcpSocket": {"port": 8080}})),
    (
        "a hook by a command",
        DEPLOYMENT,
        lambda child: _container(child, lifecycle={"preStop": {"exec": {"command": ["true"]}}}),
    ),
    ("other arguments", DEPLOYMENT, lambda child: _container(child, args=["--auth=none"])),
    (
        "a port more",
        DEPLOYMENT,
        lambda child: _container(
            child,
            ports=[
                *child["spec"]["template"]["spec"]["containers"][0]["ports"],
                {"containerPort": 9999, "protocol": "TCP"},
            ],
        ),
    ),
    ("a limit more", DEPLOYMENT, lambda child: _container(child, resources={"limits": {"memory": "3Gi", "cpu": "1"}})),
    (
        "a container more",
        DEPLOYMENT,
        lambda child: _pods(containers=[*child["spec"]["template"]["spec"]["containers"], _sidecar("sidecar")]),
    ),
    ("an init container", DEPLOYMENT, lambda child: _pods(initContainers=[_sidecar("before")])),
    ("a toleration", DEPLOYMENT, lambda child: _pods(tolerations=[{"operator": "Exists"}])),
    ("the network of the node", DEPLOYMENT, lambda child: _pods(hostNetwork=True, hostPID=True)),
    ("another kind of volume", DEPLOYMENT, lambda child: _pods(volumes=_REPLACED_VOLUMES)),
    (
        "a constraint more",
        DEPLOYMENT,
        lambda child: _pods(
            topologySpreadConstraints=[
                {"maxSkew": 1, "topologyKey": "example.com/rack", "whenUnsatisfiable": "DoNotSchedule"}
            ]
        ),
    ),
    ("another strategy", DEPLOYMENT, lambda child: {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
    ("a wait before pods count", DEPLOYMENT, lambda child: {"spec": {"minReadySeconds": 300}}),
    ("another port", SERVICE, lambda child: {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": 9999}]}}),
    ("an address from outside", SERVICE, lambda child: {"spec": {"externalIPs": ["198.51.100.7"]}}),
    ("a port of every node", SERVICE, lambda child: {"spec": {"type": "NodePort"}}),
    ("affinity of sessions", SERVICE, lambda child: {"spec": {"sessionAffinity": "ClientIP"}}),
    ("pods that are not ready", SERVICE, lambda child: {"spec": {"publishNotReadyAddresses": True}}),
    ("a backend for everything", INGRESS, lambda child: {"spec": {"defaultBackend": _ELSEWHERE}}),
    (
        "a resource as the backend",
        INGRESS,
        lambda child: {
            "spec": {
                "rules": [
                    {
                        "http": {
                            "paths": [
                                {
                                    "path": "/prod",
                                    "pathType": "Prefix",
                                    "backend": {"resource": {"kind": "Bucket", "name": "faces"}},
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    (
        "a host that is not asked for",
        INGRESS,
        lambda child: {"spec": {"rules": [{**child["spec"]["rules"][0], "host": "other.example.com"}]}},
    ),
    ("TLS that is not asked for", INGRESS, lambda child: {"spec": {"tls": [{"hosts": ["other.example.com"]}]}}),
    (
        "another kind of target",
        AUTOSCALER,
        lambda child: {
            "spec": {
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}},
                    }
                ]
            }
        },
    ),
    (
        "a metric more",
        AUTOSCALER,
        lambda child: {
            "spec": {
                "metrics": [
                    *child["spec"]["metrics"],
                    {
                        "type": "Resource",
                        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 5}},
                    },
                ]
            }
        },
    ),
    ("behavior", AUTOSCALER, lambda child: {"spec": {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}}),
    (
        "another rule",
        NETWORK_POLICY,
        lambda child: {"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]}},
    ),
    ("a rule more", NETWORK_POLICY, lambda child: {"spec": {"egress": [*child["spec"]["egress"], {}]}}),
    (
        "other pods",
        NETWORK_POLICY,
        lambda child: {"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}},
    ),
    ("a share that stays", DISRUPTION_BUDGET, lambda child: {"spec": {"maxUnavailable": None, "minAvailable": "50%"}}),
    (
        "pods that may never go",
        DISRUPTION_BUDGET,
        lambda child: {"spec": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"}},
    ),
    (
        "expressions in a selector",
        DISRUPTION_BUDGET,
        lambda child: {"spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}},
    ),
    ("a token in pods", SERVICE_ACCOUNT, lambda child: {"automountServiceAccountToken": True}),
    ("no owner", SERVICE, lambda child: {"metadata": {"ownerReferences": None}}),
    (
        "an owner that does not control",
        INGRESS,
        lambda child: {
            "metadata": {"ownerReferences": [{**child["metadata"]["ownerReferences"][0], "controller": False}]}
        },
    ),
    (
        "another instance's label",
        DISRUPTION_BUDGET,
        lambda child: {"metadata": {"labels": {"app.kubernetes.io/instance": "another"}}},
    ),
]


def edits_are_repaired(world: World) -> None:
    """Whatever an edit switches, adds or removes, and whichever manager made it."""
    deploy(world, networkPolicy=True, autoscaling={})
    world.eventually(lambda: world.child(NETWORK_POLICY) and world.child(AUTOSCALER), "every child exists")
    for sentence, kind, edit in EDITS:
        before = world.child(kind)
        assert before is not None
        wanted = meaning(before)
        world.edit(kind, edit(before))

        def is_repaired(kind: ApiResource = kind, wanted: Object = wanted) -> bool:
            found = world.child(kind)
            return found is not None and meaning(found) == wanted

        world.eventually(is_repaired, f"{sentence}: the {kind.name} is as before")
    becomes(world, "Deployed")


def meaning(child: Object) -> Object:
    """What an object asks for: all but what changes by itself."""
    metadata = child["metadata"]
    rest = {name: value for name, value in child.items() if name not in ("metadata", "status")}
    return {**rest, "labels": metadata["labels"], "owners": metadata.get("ownerReferences")}


def fields_of_others_stay(world: World) -> None:
    """What other programs are meant to write is theirs."""
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


def paths_of_acme_challenges_stay(world: World) -> None:
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


def annotations_of_others_stay(world: World) -> None:
    deploy(world)
    world.edit(SERVICE, {"metadata": {"annotations": {"example.com/seen": "yes"}}, "spec": {"selector": {"a": "b"}}})
    world.eventually(lambda: "a" not in has(world, SERVICE, "spec", "selector"), "the selector is as before")
    assert has(world, SERVICE, "metadata", "annotations", "example.com/seen") == "yes"


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
                "template": {"metadata": {"labels": {"app": "other"}}, "spec": {"containers": [_sidecar("other")]}},
            }
        },
    ),
]


def foreign_objects_are_left_alone(world: World) -> None:
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


def labels_alone_do_not_make_an_orphan(world: World) -> None:
    labels = {"app.kubernetes.io/managed-by": "face-comparison-operator", "app.kubernetes.io/instance": "faces"}
    world.add(SERVICE, {"metadata": {"labels": labels}, "spec": {"ports": [{"port": 9}]}})
    world.create(accelerator=CPU)
    becomes(world, "NameConflict")
    assert has(world, SERVICE, "spec", "ports", 0)["port"] == 9


def contest_with_another_program_is_reported(world: World) -> None:
    """Both would write forever; once the other has stopped, the child is as it should be."""
    deploy(world)
    edits = 0

    def change_back() -> bool:
        nonlocal edits
        if has(world, DISRUPTION_BUDGET, "spec", "maxUnavailable") == 1:
            world.edit(DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 5}})
            edits += 1
        return bool(world.condition().get("reason") == "ApplyFailed")

    world.eventually(change_back, "it is reported")
    assert edits <= LIMIT + 1, "it was not repaired any more at once"
    message = world.condition()["message"]
    assert "another program keeps changing the PodDisruptionBudget faces" in message
    assert "spec.maxUnavailable" in message
    world.eventually(lambda: has(world, DISRUPTION_BUDGET, "spec", "maxUnavailable") == 1, "the budget is as before")
    becomes(world, "Deployed")


def deleted_children_come_back(world: World) -> None:
    deploy(world)
    uid = has(world, SERVICE, "metadata", "uid")
    world.delete(SERVICE)
    world.eventually(lambda: has(world, SERVICE, "metadata", "uid") not in (None, uid), "there is another Service")


def child_that_cannot_go_is_reported(world: World) -> None:
    deploy(world)
    world.edit(DISRUPTION_BUDGET, {"metadata": {"finalizers": ["example.com/slow"]}})
    world.delete(DISRUPTION_BUDGET)
    becomes(world, "ChildTerminating")
    assert "example.com/slow" in world.condition()["message"]
    world.edit(DISRUPTION_BUDGET, {"metadata": {"finalizers": None}})
    becomes(world, "Deployed")


def resource_that_waits_for_a_finalizer_says_so(world: World) -> None:
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


def child_that_no_change_makes_right_is_replaced(world: World) -> None:
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


def route_that_serves_is_retained(world: World) -> None:
    deploy(world)
    world.change(route={"gateway": {"parentRefs": [{"name": "nosuch"}]}})
    world.eventually(lambda: world.condition()["reason"] in ("ApiNotInstalled", "RouteNotAccepted"), "it is reported")
    assert world.child(INGRESS) is not None


def route_that_is_not_asked_for_goes(world: World) -> None:
    deploy(world)
    world.change(route={"none": {}})
    world.eventually(lambda: world.child(INGRESS) is None, "the Ingress is gone")
    becomes(world, "ClusterInternal", "RouteReady")


def account_of_running_pods_is_retained(world: World) -> None:
    deploy(world)
    world.change(image="not-permitted.example/x:1", serviceAccountName="default")
    becomes(world, "NotPermitted")
    assert world.child(SERVICE_ACCOUNT) is not None
    assert "spec.image" in world.condition("SpecAccepted")["message"]
    assert "the previous version is still serving" in world.condition()["message"]
    world.change(image=None, serviceAccountName=None)
    becomes(world, "Deployed")


def url_that_is_in_force_stays_while_the_spec_is_not_applied(world: World) -> None:
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


def paused_resource_is_left_alone(world: World) -> None:
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
    exclusive_fields_of_a_disruption_budget,
    exclusive_fields_of_a_strategy,
    share_of_a_request_that_is_not_made,
    type_of_a_service,
    key_more_in_a_selector,
    key_more_in_the_selector_of_a_disruption_budget,
    key_more_in_the_selector_of_nodes,
    pause_of_a_rollout,
    edits_are_repaired,
    fields_of_others_stay,
    paths_of_acme_challenges_stay,
    annotations_of_others_stay,
    orphans_are_adopted,
    foreign_objects_are_left_alone,
    labels_alone_do_not_make_an_orphan,
    contest_with_another_program_is_reported,
    deleted_children_come_back,
    child_that_cannot_go_is_reported,
    resource_that_waits_for_a_finalizer_says_so,
    child_that_no_change_makes_right_is_replaced,
    children_no_longer_desired_are_pruned,
    route_that_serves_is_retained,
    route_that_is_not_asked_for_goes,
    account_of_running_pods_is_retained,
    url_that_is_in_force_stays_while_the_spec_is_not_applied,
    paused_resource_is_left_alone,
]
