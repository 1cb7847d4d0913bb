"""What the chart renders: the operator's container and its variables."""

from typing import Any

from devtools.helm import Object, of_kind

NAME = "face-comparison"
API = "facecomparison.dev/v1alpha1"
KNOWN = ("--api-versions", API)
COMMON = ("example.com/cost-center", "4711")


def container(objects: list[Object]) -> dict[str, Any]:
    (found,) = of_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def variables(objects: list[Object]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(objects)["env"]}
