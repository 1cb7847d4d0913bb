"""Defines the environment variables of this program and recognizes others that merely look like them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

PREFIX = "FACE_COMPARISON_"

OTHER_NAMES: Mapping[str, str] = {
    "FACE_COMPARISON_BUNDLES": "folder that holds the model bundles of this machine",
    "FACE_COMPARISON_DRAW": "--draw of `detect` and `compare`",
    "FACE_COMPARISON_JSON": "--json of `compare`, `evaluate` and `collection`",
    "FACE_COMPARISON_FORMAT": "--format of `detect` and `compare`",
    "FACE_COMPARISON_FILES_FROM": "--files-from of `detect`, `compare` and `collection search`",
    "FACE_COMPARISON_NO_HASH": "--no-hash of `detect`",
    "FACE_COMPARISON_MAX_FACES": "--max-faces of `detect`",
    "FACE_COMPARISON_THRESHOLD": "--threshold of `compare`, `album`, `album assemble` and `evaluate`",
    "FACE_COMPARISON_OUT": "--out of `album`, `album assemble` and `collection export`",
    "FACE_COMPARISON_LINKS": "--links of `album` and `album assemble`",
    "FACE_COMPARISON_RESULTS": "--results of `album shard`, `album assemble` and `album job`",
    "FACE_COMPARISON_SHARD": "--shard of `album shard`",
    "FACE_COMPARISON_SHARDS": "--shards of `album shard`, `album assemble` and `album job`",
    "FACE_COMPARISON_WAIT": "--wait of `album assemble`",
    "FACE_COMPARISON_CPUS": "--cpus of `album job`",
    "FACE_COMPARISON_CLAIM": "--claim of `album job`",
    "FACE_COMPARISON_PARALLELISM": "--parallelism of `album job`",
    "FACE_COMPARISON_IMAGE": "--image of `album job`",
    "FACE_COMPARISON_NAMESPACE": "--namespace of `album job`",
    "FACE_COMPARISON_SECRET": "--secret of `album job`",
    "FACE_COMPARISON_SERVICE_ACCOUNT": "--service-account of `album job`",
    "FACE_COMPARISON_UNDO": "--undo of `album hide`",
    "FACE_COMPARISON_MIN_FACE": "--min-face of `album` and `album assemble`",
    "FACE_COMPARISON_MIN_CONFIDENCE": "--min-confidence of `detect`, `album` and `album assemble`",
    "FACE_COMPARISON_SERVICE": "--service of `detect`, `compare`, `album`, `evaluate` and `collection`",
    "FACE_COMPARISON_API_KEY": "--api-key of `detect`, `compare`, `album`, `evaluate` and `collection`",
    "FACE_COMPARISON_COLLECTION": "--collection of `collection`",
    "FACE_COMPARISON_MAX_FALSE_POSITIVE_RATE": "--max-false-positive-rate of `collection`",
    "FACE_COMPARISON_RETENTION_DAYS": "--retention-days of `collection create`",
    "FACE_COMPARISON_QUALITY_FILTER": "--quality-filter of `collection enroll`",
    "FACE_COMPARISON_ON_DUPLICATE": "--on-duplicate of `collection enroll`",
    "FACE_COMPARISON_USER": "--user of `collection delete`",
    "FACE_COMPARISON_YES": "--yes of `collection delete`",
    "FACE_COMPARISON_PAIRS": "--pairs of `evaluate`",
    "FACE_COMPARISON_GROUPS": "--groups of `evaluate`",
    "FACE_COMPARISON_REPORT": "--report of `evaluate`",
    "FACE_COMPARISON_CALIBRATE": "--calibrate of `evaluate`",
    "FACE_COMPARISON_CACHE": "--cache of `evaluate`",
    "FACE_COMPARISON_COST_FALSE_MATCH": "--cost-false-match of `evaluate`",
    "FACE_COMPARISON_COST_FALSE_NON_MATCH": "--cost-false-non-match of `evaluate`",
    "FACE_COMPARISON_PRIOR": "--prior of `evaluate`",
    "FACE_COMPARISON_SEVERAL_FACES": "--several-faces of `evaluate`",
    "FACE_COMPARISON_INTO": "--into of `models fetch`",
    "FACE_COMPARISON_SHA256": "--sha256 of `models`",
    "FACE_COMPARISON_NAME": "--name of `models add`",
    "FACE_COMPARISON_REVISION": "--revision of `models add`",
    "FACE_COMPARISON_ALIGNMENT": "--alignment of `models add`",
    "FACE_COMPARISON_ARCHITECTURE": "--architecture of `models add`",
    "FACE_COMPARISON_COLOR": "--color of `models add`",
    "FACE_COMPARISON_MEAN": "--mean of `models add`",
    "FACE_COMPARISON_STD": "--std of `models add`",
    "FACE_COMPARISON_LICENSE": "--license of `models add`",
    "FACE_COMPARISON_ROUNDS": "--rounds of `bench`",
    "FACE_COMPARISON_TOTAL": "--total of `bench`",
    "FACE_COMPARISON_MEMORY": "--memory of `bench`",
}
"""Environment variables of this program that are not options of `serve`."""

_OPERATORS = PREFIX + "OPERATOR_"

# Kubernetes announces every Service of a namespace to its containers in variables such as FOO_SERVICE_HOST and
# FOO_PORT_8080_TCP. For a Service whose name begins with `face-comparison`, their names look like this program's.
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
_SERVICE_LINK_PORT = re.compile(r"^(tcp|udp|sctp)://")


def is_service_link(value: str) -> bool:
    """Returns whether a value is an address that Kubernetes sets as NAME_PORT for a Service (a service link)."""
    return _SERVICE_LINK_PORT.match(value) is not None


def is_known(name: str, value: str, options: Collection[str]) -> bool:
    """Returns whether a variable is an option, another variable of this program, or unrelated to it.

    Args:
        name: The variable's name.
        value: Its value.
        options: Names of the variables that are options.
    """
    return (
        not name.startswith(PREFIX)
        or name in OTHER_NAMES
        or name.startswith(_OPERATORS)
        or name in options
        or _SERVICE_LINK.search(name) is not None
        or (name.endswith("_PORT") and is_service_link(value))
    )


def unknown(name: str, options: Collection[str]) -> str:
    """Returns the error for an unknown variable, with a suggestion if one of the options is similar."""
    # The prefix, which always matches, would make every name look similar.
    names = [option.removeprefix(PREFIX) for option in options]
    close = difflib.get_close_matches(name.removeprefix(PREFIX), names, n=1)
    hint = f"did you mean {PREFIX}{close[0]}?" if close else "`face-comparison serve --help` lists the names that exist"
    return f"{name} is not an option of this program: {hint}"
