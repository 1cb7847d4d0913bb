"""Tables of measurements: docs/data/accuracy.json (written by `make accuracy`) and docs/data/speed.json.

speed.json is written by hand from the table that `make bench` prints, with a line about the machine: figures are only
taken from a run that somebody has reviewed.
"""

from __future__ import annotations

import json
import statistics
from typing import Any

from devtools import ROOT
from devtools.docs.tables import code, table

DATA = ROOT / "docs" / "data"
BOTH = ", both"
INT8 = "yunet-sface-int8"


def read(name: str) -> dict[str, Any]:
    """Returns the measurements in docs/data/NAME.json."""
    return dict(json.loads((DATA / f"{name}.json").read_text()))


def wrong(pairs: dict[str, list[float]], threshold: float) -> int:
    """Returns the number of pairs that the threshold decides wrongly."""
    return sum(each > threshold for each in pairs["same"]) + sum(each <= threshold for each in pairs["different"])


def margin(pairs: dict[str, list[float]], threshold: float) -> float:
    """Returns the smallest distance between a pair and the threshold; negative if that pair is decided wrongly."""
    return min(threshold - max(pairs["same"]), min(pairs["different"]) - threshold)


def parsing_costs() -> str:
    """What the most expensive of many mutated inputs cost each parser (written by `make fuzz`)."""
    rows = [
        [
            name,
            f"{row['tries']:,}",
            f"{1e3 * row['seconds']:.1f}",
            f"{1e6 * row['seconds_per_byte']:.2f}" if row["seconds_per_byte"] else "",
        ]
        for name, row in read("parsing-costs").items()
    ]
    return table(("parser", "inputs", "worst input, ms", "worst, µs per byte"), rows)


def accuracy() -> str:
    """Returns one row per kind of degradation, the smallest margin first."""
    measured = read("accuracy")
    threshold, variants = measured["threshold"], measured["pairs"]
    rows = [
        [name, *_pairs(pairs, threshold), f"{margin(pairs, threshold):+.3f}"]
        for name, pairs in sorted(variants.items(), key=lambda each: (margin(each[1], threshold), each[0]))
    ]
    head = "images", "pairs same / different", "wrong", "same: mean, worst", "different: mean, worst", "smallest margin"
    return table(head, rows)


def accuracy_summary() -> str:
    """Returns the same in three rows."""
    measured = read("accuracy")
    variants = measured["pairs"]
    groups = {
        "both as taken": [variants["as taken"]],
        "one of two degraded": [v for name, v in variants.items() if name != "as taken" and not name.endswith(BOTH)],
        "both degraded in the same way": [v for name, v in variants.items() if name.endswith(BOTH)],
    }
    rows = []
    for name, group in groups.items():
        joined = {kind: [each for pairs in group for each in pairs[kind]] for kind in ("same", "different")}
        rows.append([name, *_pairs(joined, measured["threshold"])])
    return table(("images", "pairs same / different", "wrong", "same: mean, worst", "different: mean, worst"), rows)


def _pairs(pairs: dict[str, list[float]], threshold: float) -> list[str]:
    same, different = pairs["same"], pairs["different"]
    return [
        f"{len(same)} / {len(different)}",
        str(wrong(pairs, threshold)),
        f"{statistics.mean(same):.3f}, {max(same):.3f}",
        f"{statistics.mean(different):.3f}, {min(different):.3f}",
    ]


def album_accuracy() -> str:
    """Returns precision and recall of the grouping methods, the chosen one first."""
    record = read("album")
    rows = []
    for name, way in record["ways"].items():
        all_, few, made_up = (
            f"{way[of]['precision']:.4f} / {way[of]['recall']:.3f}" for of in ("all", "few", "made_up")
        )
        rows.append([name, all_, f"{way['recall_of_different_photographs']:.3f}", few, made_up])
    head = "way of grouping", f"{record['images']:,} images", "recall, different photographs"
    return table((*head, f"{record['few']} of them", "300 synthetic people"), rows)


def album_summary() -> str:
    """Returns one sentence about the chosen grouping method."""
    record = read("album")
    faces, chosen = record["faces"], next(iter(record["ways"].values()))
    return (
        f"{faces['found']:,} of {faces['expected']:,} faces were found, and {faces['of_nobody']} where there is none. "
        f"Of the pairs that were put together, {100 * chosen['all']['precision']:.2f} % are one person (precision); of "
        f"the pairs that are one person, {100 * chosen['all']['recall']:.1f} % were put together (recall). The page "
        f"had {record['people']['rows']} rows for {record['people']['true']} people."
    )


def album_job() -> str:
    """Returns how long the same album takes on one machine and in an Indexed Job."""
    record = read("album-job")
    rows = [
        ("one machine, 2 threads", record["one_machine_two_threads_seconds"]),
        ("Job, 1 pod at a time", record["one_worker_seconds"]),
        ("Job, 2 pods at a time", record["two_workers_seconds"]),
        ("Job, 2 pods at a time, one killed", record["two_workers_one_killed_seconds"]),
    ]
    head = f"{record['images']:,} images, {record['shards']} shards"
    return table((head, "seconds"), ([name, f"{seconds:.0f}"] for name, seconds in rows))


def speed() -> str:
    """Returns the speed of the service beside loops on the same machine."""
    rows = [
        [
            row["what"],
            f"{row['images_per_second']:.1f}",
            *(str(row.get(name, "")) for name in ("p50_ms", "p99_ms")),
            *(f"{row[name]:.2f}" for name in ("of_plain_loop", "of_opencv")),
        ]
        for row in read("speed")["rows"]
    ]
    return table(("what runs", "images/s", "p50 ms", "p99 ms", "of the plain loop", "of OpenCV's"), rows)


def speed_figures() -> str:
    """Returns what `make bench` measures beside throughput."""
    record = read("speed")
    rows = [
        ["added by the service at 1 in flight, median", f"{record['added_ms']:.1f}"],
        ["for which an image holds Python's interpreter lock", f"{record['interpreter_lock_ms']:.1f}"],
    ]
    return table(("time", "ms"), rows)


def workloads(record: str = "workloads") -> str:
    """Returns the rates of the service and a plain loop, with either bundle, and of OpenCV's own loop."""
    rows = []
    for kind, measured in read(record)["workloads"].items():
        for number, row in enumerate(measured["rows"]):
            of_loop = f"{row['of_plain_loop']:.2f}" if "of_plain_loop" in row else ""
            of_opencv = f"{row['of_opencv']:.2f}"
            rows.append(["" if number else kind, row["what"], f"{row['images_per_second']:.1f}", of_loop, of_opencv])
    return table(("images", "what runs", "images/s", "of the plain loop", "of OpenCV's"), rows)


def workloads_machine() -> str:
    """Returns the machine on which the kinds of images were measured."""
    return f"Measured on {read('workloads')['machine']}."


def added_latency() -> str:
    """Returns the time that a service adds to the plain pipeline, by kind of images."""
    rows = [[kind, f"{measured['added_ms']:.1f}"] for kind, measured in read("workloads")["workloads"].items()]
    return table(("images", "ms added at 1 in flight"), rows)


def int8_speed() -> str:
    """Returns the processor time of the embedder per face, by engine and precision."""
    rows = [[name, f"{value:.1f}"] for name, value in read("int8")["milliseconds"].items()]
    return table(("embedder", "ms per face"), rows)


def int8_distances() -> str:
    """Returns how far the hashes of the int8 bundle are from those of the default bundle in float32."""
    rows = [
        [kind, str(row["faces"]), *(f"{row[name]:.3f}" for name in ("mean", "percentile_95", "maximum"))]
        for kind, row in read("int8")["distances"].items()
    ]
    return table(("images", "faces", "mean", "95 % are below", "maximum"), rows)


def int8_accuracy() -> str:
    """Returns the pairs of people by either bundle, all kinds of degradation together."""
    rows = []
    for name, record in (("default", read("accuracy")), (INT8, read(f"accuracy-{INT8}"))):
        groups = list(record["pairs"].values())
        pairs = {kind: [each for group in groups for each in group[kind]] for kind in ("same", "different")}
        rows.append([code(name), *_pairs(pairs, record["threshold"])])
    return table(("bundle", "pairs same / different", "wrong", "same: mean, worst", "different: mean, worst"), rows)


def machine() -> str:
    """Returns the machine on which speed was measured."""
    measured = read("speed")
    return f"Measured on {measured['machine']}, with {measured['images']}."


def curves() -> str:
    """Returns the curves that the API Explorer draws behind its scale: normal distributions of the measured pairs."""
    return "\n".join(_curves(read(name)) for name in ("accuracy", f"accuracy-{INT8}"))


def _curves(measured: dict[str, Any]) -> str:
    groups = list(measured["pairs"].values())
    kinds = {"same": "same", "other": "different"}
    pairs = {name: [each for pairs in groups for each in pairs[kind]] for name, kind in kinds.items()}
    hills = ", ".join(
        f"{name}: {{ mean: {statistics.mean(each):.3f}, deviation: {statistics.stdev(each):.3f} }}"
        for name, each in pairs.items()
    )
    model = measured["model"].rpartition("-")[0]
    return f'  "{model}": {{ pairs: {sum(map(len, pairs.values()))}, {hills} }},'


def thresholds() -> str:
    """Returns the decisions of other thresholds on all measured pairs."""
    measured = read("accuracy")
    groups = list(measured["pairs"].values())
    same = [each for pairs in groups for each in pairs["same"]]
    different = [each for pairs in groups for each in pairs["different"]]
    default = measured["threshold"]
    rows = []
    for threshold in sorted({0.8, 0.9, 1.0, 1.05, 1.1, 1.15, 1.2, default}):
        rejected = sum(each > threshold for each in same)
        accepted = sum(each <= threshold for each in different)
        name = code(f"{threshold:g}") + (" (default)" if threshold == default else "")
        rows.append([name, f"{rejected} of {len(same)}", f"{accepted} of {len(different)}"])
    return table(("threshold", "same person rejected (false non-match)", "strangers accepted (false match)"), rows)
