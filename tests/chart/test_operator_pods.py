"""The operator's pods and service account as the chart renders them."""

import shutil
from pathlib import Path

import yaml

from devtools.helm import CHART, EVERY_OPTION, Helm, kinds, of_kind
from support.rendered import container, variables


class TestOperatorPods:
    def test_follow_the_values(self, helm: Helm) -> None:
        deployment = of_kind(objects := helm.template("--values", EVERY_OPTION), "Deployment")["spec"]
        given = yaml.safe_load(EVERY_OPTION.read_text())
        pod = deployment["template"]
        assert deployment["replicas"] == 2
        assert pod["metadata"]["labels"]["example.com/team"] == "vision"
        assert pod["metadata"]["annotations"] == given["podAnnotations"]
        for key in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"):
            assert pod["spec"][key] == given[key]
        assert pod["spec"]["imagePullSecrets"] == given["image"]["pullSecrets"]
        assert pod["spec"]["serviceAccountName"] == "faces-account"
        assert container(objects)["imagePullPolicy"] == "Always"
        assert container(objects)["resources"] == given["resources"]
        images = {"FACE_COMPARISON_OPERATOR_SERVICE_IMAGE", "FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"}
        assert {name: value for name, value in variables(objects).items() if name not in images} == {
            "FACE_COMPARISON_OPERATOR_NAMESPACES": "faces,more-faces",
            "FACE_COMPARISON_OPERATOR_PROMETHEUS_ADDRESS": "http://prometheus.example.com:9090",
            "FACE_COMPARISON_OPERATOR_PROMETHEUS_AUTHENTICATION": "prometheus",
            "FACE_COMPARISON_OPERATOR_PROMETHEUS_AUTH_MODES": "bearer",
            "FACE_COMPARISON_OPERATOR_STORE_GROUP": "1000",
            "FACE_COMPARISON_OPERATOR_IMAGE_PULL_SECRETS": "registry-credentials,mirror-credentials",
            "FACE_COMPARISON_OPERATOR_SERVICE_MONITOR_LABELS": "release=prometheus",
            "FACE_COMPARISON_OPERATOR_ALLOWED_IMAGES": "registry.example.com/vision/*,registry.example.com/faces:1",
            "FACE_COMPARISON_OPERATOR_ALLOWED_SERVICE_ACCOUNTS": "reader",
            "FACE_COMPARISON_OPERATOR_ALLOWED_SECRETS": "tokens-*",
            "FACE_COMPARISON_OPERATOR_ALLOWED_CONFIG_MAPS": "authorities",
            "FACE_COMPARISON_OPERATOR_ALLOWED_VOLUME_CLAIMS": "models",
            "FACE_COMPARISON_OPERATOR_ALLOWED_ANNOTATIONS": "nginx.ingress.kubernetes.io/proxy-body-size",
            "FACE_COMPARISON_OPERATOR_ALLOWED_VARIABLES": "LC_ALL",
            "FACE_COMPARISON_OPERATOR_ALLOWED_PRIORITY_CLASSES": "faces-*",
            "FACE_COMPARISON_OPERATOR_ALLOWED_HOSTS": "*.example.com",
            "FACE_COMPARISON_OPERATOR_ALLOWED_INGRESS_CLASSES": "nginx",
            "FACE_COMPARISON_OPERATOR_ALLOWED_GATEWAYS": "gateways/public",
            "FACE_COMPARISON_OPERATOR_ALLOWED_RUNTIME_CLASSES": "nvidia",
            "FACE_COMPARISON_OPERATOR_ALLOWED_DEVICES": "nvidia.com/gpu",
            "FACE_COMPARISON_OPERATOR_ALLOWED_RESOURCE_CLAIMS": "gpus",
            "FACE_COMPARISON_OPERATOR_ALLOWED_DNS": "10.0.0.2",
            "FACE_COMPARISON_OPERATOR_ALLOWED_LABELS": "team,example.com/*",
            "FACE_COMPARISON_OPERATOR_LEADER_ELECTION": "true",
            "FACE_COMPARISON_OPERATOR_LEASE_NAME": "operator-of-faces-operator",
            "FACE_COMPARISON_OPERATOR_LOG_LEVEL": "debug",
            "FACE_COMPARISON_OPERATOR_METRICS_PORT": "8080",
            "FACE_COMPARISON_OPERATOR_HEALTH_PORT": "8081",
            "HTTPS_PROXY": "http://proxy.example.com:3128",
        }

    def test_are_confined(self, helm: Helm) -> None:
        pod = of_kind(objects := helm.template(), "Deployment")["spec"]["template"]["spec"]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container(objects)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["enableServiceLinks"] is False
        assert of_kind(objects, "ServiceAccount")["automountServiceAccountToken"] is False

    def test_are_recreated_without_leader_election(self, helm: Helm) -> None:
        objects = helm.template("--set=leaderElection=false")
        assert of_kind(objects, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
        assert variables(objects)["FACE_COMPARISON_OPERATOR_LEADER_ELECTION"] == "false"
        assert not [each for each in kinds(objects) if each[1].endswith("-leader")]

    def test_match_their_selectors(self, helm: Helm) -> None:
        objects = helm.template("--values", EVERY_OPTION)
        labels = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        selectors = [
            of_kind(objects, "Deployment")["spec"]["selector"]["matchLabels"],
            of_kind(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            of_kind(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            of_kind(objects, "Service")["spec"]["selector"],
        ]
        for selector in selectors:
            assert selector.items() <= labels.items()
        monitored = of_kind(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        assert monitored.items() <= of_kind(objects, "Service")["metadata"]["labels"].items()

    def test_single_replica_has_no_disruption_budget(self, helm: Helm) -> None:
        assert "PodDisruptionBudget" not in dict(kinds(helm.template()))

    def test_are_not_restarted_by_a_new_chart_version(self, helm: Helm, tmp_path: Path) -> None:
        newer = Path(shutil.copytree(CHART, tmp_path / "newer"))
        about = yaml.safe_load((CHART / "Chart.yaml").read_text())
        (newer / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "9.9.9"}))
        before, after = (of_kind(helm.template(chart=chart), "Deployment") for chart in (CHART, newer))
        assert before["metadata"]["labels"] != after["metadata"]["labels"]
        assert before["spec"] == after["spec"]


class TestAccount:
    def test_can_be_an_existing_one(self, helm: Helm) -> None:
        objects = helm.template("--set=serviceAccount.create=false,serviceAccount.name=there-already")
        assert "ServiceAccount" not in dict(kinds(objects))
        assert of_kind(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "there-already"
        (subject,) = of_kind(objects, "ClusterRoleBinding")["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "there-already", "namespace": "operators"}

    def test_rbac_can_be_disabled(self, helm: Helm) -> None:
        objects = helm.template("--set=rbac.create=false,rbac.aggregate=false")
        assert not [kind for kind, _ in kinds(objects) if "Role" in kind]
