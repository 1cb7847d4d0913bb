"""Describes a release: an SBOM per container image, checksums, and provenance.

    python -m devtools.release sbom --uv UV --out FOLDER
    python -m devtools.release check
    python -m devtools.release provenance --out FOLDER

The components come from uv.lock, with their digests, in the CycloneDX format; the provenance is an in-toto statement
with a SLSA predicate. It is not signed here: the workflow of a public host signs what it builds with the host's
identity.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devtools import ROOT

CHECKSUMS, PROVENANCE = "SHA256SUMS", "provenance.intoto.json"
# The inputs that determine a release in addition to the commit.
MATERIALS = ("uv.lock", "container/build.txt", "Dockerfile")
BUILD_TYPE = "urn:face-comparison:make-release:v1"


@dataclass(frozen=True, slots=True)
class Image:
    """A container image: the package that is installed in it, with its extras."""

    name: str
    package: str
    extras: tuple[str, ...]


def images(dockerfile: str) -> list[Image]:
    """Returns the container images of a Dockerfile, by the stages in which their dependencies are installed."""
    stages = re.findall(
        r"^FROM build AS (\S+)-dependencies\nRUN uv sync (?:.|\\\n)*?--package (\S+)((?: --extra \S+)*)",
        dockerfile,
        re.MULTILINE,
    )
    return [Image(name, package, tuple(extras.replace("--extra", "").split())) for name, package, extras in stages]


def with_base_image(bom: dict[str, Any], dockerfile: str) -> dict[str, Any]:
    """Returns an SBOM with the base image added, by its digest."""
    reference = re.search(r"^ARG BASE_IMAGE=((\S+/(\S+)):(\S+)@sha256:(\S+))$", dockerfile, re.MULTILINE)
    if not reference:
        raise SystemExit("the Dockerfile does not pin its base image by digest")
    full, repository, name, tag, digest = reference.groups()
    base = {
        "type": "container",
        "bom-ref": full,
        "name": repository,
        "version": tag,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "purl": f"pkg:oci/{name}@sha256%3A{digest}?repository_url={repository}&tag={tag}",
    }
    return {**bom, "components": [base, *bom["components"]]}


def subjects(folder: Path) -> list[dict[str, Any]]:
    """Returns name and digest of every file of a release, sorted; without files that derive from them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (CHECKSUMS, PROVENANCE))
    return [{"name": str(path.relative_to(folder)), "digest": {"sha256": digest(path)}} for path in files]


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def statement(
    made: Iterable[dict[str, Any]], commit: str, materials: Iterable[dict[str, Any]], builder: str, finished: datetime
) -> dict[str, Any]:
    """Returns the provenance of `made`: https://slsa.dev/spec/v1.0/provenance."""
    source = {"uri": "git+file:.", "digest": {"gitCommit": commit}}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": list(made),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"target": "release", **_addresses()},
                "resolvedDependencies": [source, *materials],
            },
            "runDetails": {
                "builder": {"id": builder},
                "metadata": {"finishedOn": finished.strftime("%Y-%m-%dT%H:%M:%SZ")},
            },
        },
    }


def _addresses() -> dict[str, str]:
    """Returns what was given besides the commit and changes the bytes: see `published_source`."""
    return {name: os.environ[name] for name in ("PROJECT_URL", "PROJECT_DOCS") if os.environ.get(name)}


def uncommitted() -> str:
    """Returns the changes since the commit; a release that contains them could not be reproduced."""
    return _git("status", "--porcelain")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout


def write_sbom(uv: Path, out: Path) -> None:
    """Writes one SBOM per container image."""
    out.mkdir(parents=True, exist_ok=True)
    dockerfile = (ROOT / "Dockerfile").read_text()
    for image in images(dockerfile):
        extras = [f"--extra={extra}" for extra in image.extras]
        words = [str(uv), "export", "--quiet", "--locked", "--no-dev", f"--package={image.package}", *extras]
        exported = subprocess.run(
            [*words, "--format=cyclonedx1.5"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
        )
        bom = with_base_image(json.loads(exported.stdout), dockerfile)
        (out / f"{image.name}.cdx.json").write_text(json.dumps(bom, indent=1) + "\n")


def write_provenance(out: Path) -> None:
    """Writes the checksums of a release and the provenance statement."""
    created = subjects(out)
    lines = [f"{each['digest']['sha256']}  {each['name']}\n" for each in created]
    (out / CHECKSUMS).write_text("".join(lines))
    materials = [{"uri": f"file:{name}", "digest": {"sha256": digest(ROOT / name)}} for name in MATERIALS]
    builder = os.environ.get("BUILDER_ID", "urn:face-comparison:unsigned-local-build")
    message = statement(created, _git("rev-parse", "HEAD").strip(), materials, builder, datetime.now(UTC))
    (out / PROVENANCE).write_text(json.dumps(message, indent=1) + "\n")


def main() -> None:
    """Writes the SBOMs or the provenance of a release, or checks that nothing is uncommitted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    sbom = commands.add_parser("sbom")
    sbom.add_argument("--uv", type=Path, required=True)
    commands.add_parser("check")
    for command in (sbom, commands.add_parser("provenance")):
        command.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.command == "sbom":
        write_sbom(options.uv.absolute(), options.out)
    elif options.command == "provenance":
        write_provenance(options.out)
    elif changes := uncommitted():
        sys.exit(f"a release is built from a commit, but these files differ from it:\n{changes}")


if __name__ == "__main__":
    main()
