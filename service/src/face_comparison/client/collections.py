"""Collections of a service: enroll people, and find out whose face it is.

with Client("http://localhost:8080/prod") as faces:
    staff = faces.create_collection("staff", max_false_positive_rate=0.001)
    staff.enroll("badge.jpg", user_id="u-17")
    for face in staff.search("door.jpg").faces:
        print(face.decision, face.user_id)
    staff.delete_user("u-17")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import quote, urlencode

import msgspec

from face_comparison.client.images import subject_fields
from face_comparison.client.replies import BoundingBox

if TYPE_CHECKING:
    from face_comparison.client.images import Subject

IMPORT_BYTES = 4 * 2**20
"""Lines are imported in requests of about this size."""


class Transport(Protocol):
    """What sends requests; the methods of `Client` that a collection uses."""

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Returns the decoded response of a route."""
        ...

    def stream_lines(self, path: str) -> Iterator[bytes]:
        """Yields the lines of a streamed response."""
        ...


@dataclass(frozen=True, slots=True)
class CollectionMatch:
    """A person, or a face without a user. distance: Euclidean, 0-2. confidence: probability of one person, 0-1."""

    user_id: str | None
    face_id: str
    external_image_id: str | None
    distance: float
    confidence: float


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """A face of the searched image. matches: nearest first. box, face_confidence None: a hash was searched."""

    decision: Literal["match", "ambiguous", "unknown"]
    matches: tuple[CollectionMatch, ...]
    box: BoundingBox | None
    face_confidence: float | None

    @property
    def user_id(self) -> str | None:
        """Whose face it is; None when nobody matches, two people do, or the matching face has no user."""
        return self.matches[0].user_id if self.decision == "match" else None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """threshold: maximum distance of a match. expected_false_positive_rate: probability that a stranger gets a name."""

    faces: tuple[IdentifiedFace, ...]
    threshold: float
    gallery_size: int
    expected_false_positive_rate: float
    exact: bool


@dataclass(frozen=True, slots=True)
class StoredFace:
    """An enrolled face. created: False where it had been enrolled before."""

    face_id: str
    user_id: str | None
    external_image_id: str | None
    created: bool = True


@dataclass(frozen=True, slots=True)
class Enrollment:
    """rejected: reasons of each face that was not enrolled. duplicates: other people whom one of them resembles."""

    faces: tuple[StoredFace, ...]
    rejected: tuple[tuple[str, ...], ...]
    duplicates: tuple[CollectionMatch, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a deletion. state: `deleted` (not found any more) or `scrubbed` (not in the store's files)."""

    erasure_id: str
    state: Literal["deleted", "scrubbed"]
    faces: int


@dataclass(frozen=True, slots=True)
class User:
    """A person of a collection."""

    user_id: str
    metadata: Mapping[str, Any]
    expires: str | None
    faces: int


@dataclass(frozen=True, slots=True)
class Verification:
    """verdict: `same`, `review` or `different`. distance, confidence: of the face that is nearest to the user's."""

    same_person: bool
    verdict: str
    distance: float
    confidence: float


class Collection:
    """One collection of a service; made by `Client.collection` without asking the service."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self._path = f"/collections/{quote(name, safe='')}"
        self.name = name

    def describe(self) -> dict[str, Any]:
        """The service's description: FaceCount, UserCount, Threshold and so on."""
        reply: dict[str, Any] = self._transport.call("GET", self._path)
        return reply

    def delete(self) -> Receipt:
        """Delete the collection with all that is in it."""
        return _receipt(self._transport.call("DELETE", self._path))

    def enroll(
        self,
        image: Subject,
        *,
        user_id: str | None = None,
        external_image_id: str | None = None,
        max_faces: int | None = None,
        quality_filter: str | None = None,
        on_duplicate: str | None = None,
    ) -> Enrollment:
        """Enroll the largest face of an image for a user, or all faces without one. See the service's documentation."""
        options = {
            "UserId": user_id,
            "ExternalImageId": external_image_id,
            "MaxFaces": max_faces,
            "QualityFilter": quality_filter,
            "OnDuplicate": on_duplicate,
        }
        reply = self._post("/faces", {**subject_fields(image), **_given(options)})
        return Enrollment(
            faces=tuple(_face(record["Face"], record["Created"]) for record in reply["FaceRecords"]),
            rejected=tuple(tuple(face["Reasons"]) for face in reply["UnindexedFaces"]),
            duplicates=tuple(_match(each) for each in reply["Duplicates"]),
        )

    def search(
        self,
        image: Subject,
        *,
        max_faces: int | None = None,
        max_matches: int | None = None,
        max_false_positive_rate: float | None = None,
        threshold: float | None = None,
        user_ids: Iterable[str] | None = None,
    ) -> SearchResult:
        """Identify every face of an image."""
        options = {
            "MaxFaces": max_faces,
            "MaxMatches": max_matches,
            "MaxFalsePositiveRate": max_false_positive_rate,
            "Threshold": threshold,
            "UserIds": None if user_ids is None else list(user_ids),
        }
        reply = self._post("/search", {**subject_fields(image), **_given(options)})
        return SearchResult(
            faces=tuple(_identified(face) for face in reply["Faces"]),
            threshold=reply["Threshold"],
            gallery_size=reply["GallerySize"],
            expected_false_positive_rate=reply["ExpectedFalsePositiveRate"],
            exact=reply["Exact"],
        )

    def verify(self, user_id: str, image: Subject, *, threshold: float | None = None) -> Verification:
        """Compare an image with all faces of one user (1:1)."""
        fields = {**subject_fields(image), **_given({"Threshold": threshold})}
        reply = self._post(f"/users/{quote(user_id, safe='')}/verify", fields)
        return Verification(reply["SamePerson"], reply["Verdict"], reply["Distance"], reply["Confidence"])

    def create_user(
        self, user_id: str, *, metadata: Mapping[str, Any] | None = None, expires: datetime | str | None = None
    ) -> User:
        """Create a user; expires: when the service erases it."""
        when = expires.isoformat() if isinstance(expires, datetime) else expires
        return _user(self._post("/users", _given({"UserId": user_id, "Metadata": metadata, "Expires": when})))

    def users(self) -> Iterator[User]:
        """All users, page by page."""
        return (_user(user) for user in self._pages("/users", "Users"))

    def faces(self, user_id: str | None = None) -> Iterator[StoredFace]:
        """All faces, page by page."""
        return (_face(face) for face in self._pages("/faces", "Faces", _given({"UserId": user_id})))

    def delete_user(self, user_id: str) -> Receipt:
        """Erase a user with all faces."""
        return _receipt(self._transport.call("DELETE", f"{self._path}/users/{quote(user_id, safe='')}"))

    def delete_faces(self, face_ids: Iterable[str]) -> Receipt:
        """Delete faces; those that are not there are passed over."""
        return _receipt(self._post("/faces/delete", {"FaceIds": list(face_ids)}))

    def export_lines(self) -> Iterator[bytes]:
        """All faces with their hashes, a line of JSON each."""
        return self._transport.stream_lines(f"{self._path}/export")

    def import_lines(self, lines: Iterable[bytes]) -> dict[str, Any]:
        """Import exported lines, in several requests.

        Returns the service's reports added up; the numbers of bad lines count from the first line given.
        """
        total: dict[str, Any] = {"ImportedFaceCount": 0, "UnchangedFaceCount": 0, "FailedLineCount": 0, "Errors": []}
        done = 0
        for batch in _batches(lines):
            report = self._transport.call("POST", f"{self._path}/import", b"\n".join(batch))
            for name in ("ImportedFaceCount", "UnchangedFaceCount", "FailedLineCount"):
                total[name] += report[name]
            total["Errors"] += [{**each, "Line": each["Line"] + done} for each in report["Errors"]]
            done += len(batch)
        return total

    def _post(self, path: str, fields: Mapping[str, Any]) -> Any:
        return self._transport.call("POST", self._path + path, msgspec.msgpack.encode(fields))

    def _pages(self, path: str, name: str, query: Mapping[str, str] | None = None) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            text = urlencode({**(query or {}), **token})
            reply = self._transport.call("GET", f"{self._path}{path}?{text}")
            yield from reply[name]
            if "NextToken" not in reply:
                return
            token = {"NextToken": reply["NextToken"]}


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        stripped = line.rstrip(b"\r\n")
        if batch and size + len(stripped) > IMPORT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(stripped)
        size += len(stripped) + 1
    if batch:
        yield batch


def _face(face: Mapping[str, Any], created: bool = True) -> StoredFace:
    return StoredFace(face["FaceId"], face.get("UserId"), face.get("ExternalImageId"), created)


def _identified(face: Mapping[str, Any]) -> IdentifiedFace:
    box = face.get("BoundingBox")
    return IdentifiedFace(
        decision=face["Decision"],
        matches=tuple(_match(match) for match in face["Matches"]),
        box=None if box is None else BoundingBox(box["Left"], box["Top"], box["Width"], box["Height"]),
        face_confidence=face.get("FaceConfidence"),
    )


def _match(match: Mapping[str, Any]) -> CollectionMatch:
    return CollectionMatch(
        match.get("UserId"), match["FaceId"], match.get("ExternalImageId"), match["Distance"], match["Confidence"]
    )


def _receipt(reply: Mapping[str, Any]) -> Receipt:
    return Receipt(reply["ErasureId"], reply["State"], reply["FaceCount"])


def _user(user: Mapping[str, Any]) -> User:
    return User(user["UserId"], user["Metadata"], user.get("Expires"), user["FaceCount"])


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
