"""The CRD (charts/face-comparison/files/crd.yaml) as the agreement tests read it."""

from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

DEFINITION: Schema = yaml.safe_load(
    (Path(__file__).resolve().parent.parent.parent / "charts" / "face-comparison" / "files" / "crd.yaml").read_text()
)
(VERSION,) = DEFINITION["spec"]["versions"]
SPEC: Schema = VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]
STATUS: Schema = VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]


def defaulted(schema: Schema, value: Any) -> Any:
    """Returns `value` with the defaults of the schema, as the API server adds them."""
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        present = value | {name: field["default"] for name, field in fields.items() if "default" in field} | value
        return {name: defaulted(fields.get(name, {}), each) for name, each in present.items()}
    if isinstance(value, list):
        return [defaulted(schema.get("items", {}), each) for each in value]
    return value
