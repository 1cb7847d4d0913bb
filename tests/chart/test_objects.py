"""What the chart renders besides the operator: the definition, a first resource, roles, labels, and notes."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from devtools.helm import CHART, EVERY_OPTION, NEEDED, REGISTRY, Helm, kinds, of_kind
from support.rendered import COMMON, KNOWN, variables


class TestDefinition:
    def test_is_kept_by_default(self, helm: Helm) -> None:
        kept = of_kind(helm.template(), "CustomResourceDefinition")["metadata"]
        assert kept["annotations"] == {"helm.sh/resource-policy": "keep"}
        dropped = of_kind(helm.template("--set=crds.keep=false"), "CustomResourceDefinition")["metadata"]
        assert "annotations" not in dropped

    def test_can_be_disabled(self, helm: Helm) -> None:
        assert "CustomResourceDefinition" not in dict(kinds(helm.template("--set=crds.enabled=false")))


def test_single_namespace_has_no_outside_objects(helm: Helm) -> None:
    objects = helm.template("--set=watchNamespaces={operators},crds.enabled=false,rbac.aggregate=false")
    assert {each["metadata"].get("namespace") for each in objects} == {"operators"}


class TestFirstResource:
    CREATE = "--set=faceComparison.create=true,faceComparison.spec.stage=v2"

    @pytest.mark.parametrize("options", [(), KNOWN], ids=["kind unknown", "kind known"])
    def test_is_rendered_once_and_without_hooks(self, helm: Helm, options: tuple[str, ...]) -> None:
        """So that the output of `helm template` can be applied by kubectl or GitOps."""
        created = of_kind(helm.template(self.CREATE, *options), "FaceComparison")
        assert "annotations" not in created["metadata"]
        assert created["metadata"]["namespace"] == "operators"
        assert created["spec"] == {"stage": "v2"}


class TestParentChart:
    """The chart as a dependency of another one, enabled by a condition."""

    @pytest.fixture
    def parent(self, tmp_path: Path) -> Path:
        shutil.copytree(CHART, tmp_path / "charts" / "face-comparison")
        version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
        dependency = {"name": "face-comparison", "version": version, "condition": "face-comparison.enabled"}
        about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
        (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(about))
        return tmp_path

    @pytest.mark.parametrize("enabled", [True, False])
    def test_can_switch_it(self, helm: Helm, parent: Path, enabled: bool) -> None:
        values = {"face-comparison": {"enabled": enabled, "image": {"registry": REGISTRY}}, "global": {"any": "thing"}}
        (parent / "values.yaml").write_text(yaml.safe_dump(values))
        objects = helm.template(chart=parent)
        assert ("Deployment" in dict(kinds(objects))) is enabled

    def test_can_give_it_another_name(self, helm: Helm, parent: Path) -> None:
        about = yaml.safe_load((parent / "Chart.yaml").read_text())
        about["dependencies"][0] |= {"alias": "faces", "condition": "faces.enabled"}
        (parent / "Chart.yaml").write_text(yaml.safe_dump(about))
        values = {"faces": {"enabled": True, "image": {"registry": REGISTRY}}}
        (parent / "values.yaml").write_text(yaml.safe_dump(values))
        objects = helm.template(chart=parent)
        labels = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        assert of_kind(objects, "Service")["spec"]["selector"].items() <= labels.items()


class TestEveryCluster:
    @pytest.mark.parametrize(
        ("options", "group"),
        [
            ((), "65532"),
            (("--api-versions=security.openshift.io/v1",), ""),
            (("--set=storeGroup=none",), ""),
            (("--set=storeGroup=1000", "--api-versions=security.openshift.io/v1"), "1000"),
        ],
        ids=["elsewhere", "OpenShift", "left to the cluster", "named"],
    )
    def test_group_of_an_embedded_store(self, helm: Helm, options: tuple[str, ...], group: str) -> None:
        assert variables(helm.template(*options))["FACE_COMPARISON_OPERATOR_STORE_GROUP"] == group

    def test_operator_pods_go_to_linux(self, helm: Helm) -> None:
        """In addition to other requirements for the node."""
        objects = helm.template("--set=nodeSelector.disk=ssd")
        for pod in (of_kind(objects, "Pod")["spec"], of_kind(objects, "Deployment")["spec"]["template"]["spec"]):
            assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "ssd"}

    def test_every_object_gets_the_common_labels(self, helm: Helm) -> None:
        objects = helm.template("--values", EVERY_OPTION, *KNOWN, "--set=faceComparison.create=true")
        objects.append(of_kind(objects, "Deployment")["spec"]["template"] | {"kind": "template"})
        assert [each["kind"] for each in objects if each["metadata"]["labels"].get(COMMON[0]) != COMMON[1]] == []

    def test_common_labels_reach_no_selector(self, helm: Helm) -> None:
        """Selectors are immutable: if they contained a label, it could never be changed."""
        deployment = of_kind(helm.template("--values", EVERY_OPTION), "Deployment")
        assert COMMON[0] not in deployment["spec"]["selector"]["matchLabels"]

    def test_no_object_pins_an_address_family(self, helm: Helm) -> None:
        text = yaml.safe_dump(helm.template("--values", EVERY_OPTION))
        assert not re.search(r"\b(0\.0\.0\.0|127\.0\.0\.1|ipFamil)", text)


class TestRolesOfPeople:
    @pytest.mark.parametrize("options", [(), ("--set=watchNamespaces={faces}",)])
    def test_are_granted_to_nobody_by_default(self, helm: Helm, options: tuple[str, ...]) -> None:
        roles = [each for each in helm.template(*options) if each["kind"] == "ClusterRole"]
        labels = {label for role in roles for label in role["metadata"]["labels"]}
        assert not [label for label in labels if label.startswith("rbac.authorization.k8s.io/aggregate-to-")]

    def test_can_be_added_to_the_roles_of_the_cluster(self, helm: Helm) -> None:
        roles = [each for each in helm.template("--set=rbac.aggregate=true") if each["kind"] == "ClusterRole"]
        labels = {label for role in roles for label in role["metadata"]["labels"]}
        assert {f"rbac.authorization.k8s.io/aggregate-to-{role}" for role in ("view", "edit")} <= labels


@pytest.mark.parametrize(
    ("options", "created"),
    [
        ((), True),
        (("--set=watchNamespaces={faces}",), False),
        (("--set=watchNamespaces={faces}", "--set=admissionPolicy.operator=Always"), True),
        (("--set=admissionPolicy.operator=Never",), False),
    ],
)
def test_admission_policy(helm: Helm, options: tuple[str, ...], created: bool) -> None:
    assert bool([each for each in helm.template(*options) if each["kind"] == "ValidatingAdmissionPolicy"]) is created


def test_every_object_carries_the_recommended_labels(helm: Helm) -> None:
    expected = {
        f"app.kubernetes.io/{each}" for each in ("name", "instance", "component", "part-of", "managed-by", "version")
    }
    objects = helm.template("--values", EVERY_OPTION, *KNOWN)
    assert [each["kind"] for each in objects if not expected <= each["metadata"].get("labels", {}).keys()] == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["kubectl apply -f -", "--all --all-namespaces", "helm uninstall face-comparison --namespace operators"]),
        (("--set=faceComparison.create=true",), ["wait --for=condition=Ready", "facecomparison/face-comparison"]),
        (("--set=watchNamespaces={faces}",), ["namespace: faces", "the namespaces faces", "--namespace faces delete"]),
    ],
)
def test_notes_say_what_comes_next(helm: Helm, options: tuple[str, ...], expected: list[str]) -> None:
    arguments: tuple[str | Path, ...] = (
        "face-comparison",
        CHART,
        "--namespace=operators",
        "--dry-run=client",
        *NEEDED,
        *options,
    )
    notes = helm.run("install", *arguments).partition("NOTES:")[2]
    assert [each for each in expected if each not in notes] == []
    assert notes.index("delete facecomparisons --all") < notes.index("helm uninstall")
    assert notes.index("helm uninstall") < notes.index("kubectl delete customresourcedefinition")
