"""Collections as callers use them: decisions from the pure modules, data from the store. Free of HTTP.

Every method raises the errors of `face_comparison.errors`: CollectionNotFound, UserNotFound, FaceNotFound,
InvalidParameter, CollectionExists, UserExists, ModelMismatch, CollectionFull and StoreUnavailable. Ids are checked
here, so that no caller needs to. A method returns after the commit.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.collections import UnindexedReason
from face_comparison.api.limits import HASH_SIZE, MAX_FACES
from face_comparison.collections import identifiers
from face_comparison.collections.calibration import StrangersCache, bundle_strangers
from face_comparison.collections.identification import Identification, identify
from face_comparison.collections.probe import Probe, ProbeFace
from face_comparison.collections.quality import QualityFilter, check_quality_filter, quality_reasons
from face_comparison.collections.results import (
    Association,
    CollectionInfo,
    Duplicate,
    Enrollment,
    FaceRecord,
    ImportReport,
    OnDuplicate,
    Page,
    PersonFit,
    SearchResult,
    UnindexedFace,
)
from face_comparison.collections.stores.base import UNCHANGED, ErasureRequest, Store, Unchanged
from face_comparison.collections.thresholds import expected_rate, search_threshold
from face_comparison.collections.values import (
    Collection,
    Erasure,
    Grouping,
    Neighbor,
    Purge,
    StoredFace,
    User,
)
from face_comparison.errors import (
    FaceNotFound,
    InvalidFaceHash,
    InvalidParameter,
    ModelMismatch,
    NoFace,
    NotFound,
)
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import ModelInfo

DEFAULT_RATE = 0.01
MAX_FACES_PER_USER = 100
DEFAULT_MATCHES = 5
IMPORT_BATCH = 2000
EXPORT_PAGE = 500
REPORTED_IMPORT_ERRORS = 1000

T = TypeVar("T")


class CollectionService:
    """The collections of one store, searched with one model; safe from any thread.

    model: what runs at the moment; it is asked at every call, because a service starts before its model is loaded.
    backup_days: how long backups of the store are kept, stated in receipts. clock: the current time, UTC.
    """

    def __init__(
        self,
        store: Store,
        model: Callable[[], ModelInfo],
        *,
        backup_days: int | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._model = model
        self._backup_days = backup_days
        self._clock = clock
        self._strangers = StrangersCache(store)

    # --- collections ---

    def create_collection(
        self,
        collection_id: str,
        *,
        max_false_positive_rate: float = DEFAULT_RATE,
        retention_days: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CollectionInfo:
        """Create an empty collection, pinned to the FaceModelVersion that runs."""
        model = self._model()
        collection = Collection(
            name=identifiers.check_collection_id(collection_id),
            model_version=model.version,
            width=model.embedding_width,
            max_false_positive_rate=identifiers.check_rate(max_false_positive_rate),
            retention_days=None if retention_days is None else identifiers.check_retention(retention_days),
            metadata=identifiers.check_metadata(dict(metadata or {})),
            created=self._now(),
        )
        self._store.create_collection(collection)
        return self._info(collection)

    def describe_collection(self, collection_id: str) -> CollectionInfo:
        name = identifiers.check_collection_id(collection_id)
        return self._info(self._store.get_collection(name, count_users=True))

    def list_collections(self, *, limit: int = 1000, token: str | None = None) -> Page[CollectionInfo]:
        """Collections by name."""
        found = self._store.list_collections(identifiers.page_start(token), identifiers.check_page_size(limit) + 1)
        return _page([self._info(each) for each in found], limit, lambda info: info.collection.name)

    def delete_collection(self, collection_id: str) -> Erasure:
        """Delete a collection with its users and faces."""
        name = identifiers.check_collection_id(collection_id)
        return self._store.delete_collection(name, self._erasure_request(name, None))

    # --- users ---

    def create_user(
        self,
        collection_id: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        expires: datetime | None = None,
    ) -> User:
        user = User(
            user_id=identifiers.check_user_id(user_id),
            metadata=identifiers.check_metadata(dict(metadata or {})),
            expires=self._future(expires),
            created=self._now(),
        )
        self._store.create_user(identifiers.check_collection_id(collection_id), user)
        return user

    def describe_user(self, collection_id: str, user_id: str) -> User:
        return self._store.get_user(identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id))

    def list_users(self, collection_id: str, *, limit: int = 1000, token: str | None = None) -> Page[User]:
        """Users by UserId."""
        name = identifiers.check_collection_id(collection_id)
        found = self._store.list_users(name, identifiers.page_start(token), identifiers.check_page_size(limit) + 1)
        return _page(found, limit, lambda user: user.user_id)

    def update_user(
        self,
        collection_id: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        """Replace the metadata or the expiry, where given; expires None: no expiry."""
        return self._store.update_user(
            identifiers.check_collection_id(collection_id),
            identifiers.check_user_id(user_id),
            metadata=metadata if isinstance(metadata, Unchanged) else identifiers.check_metadata(dict(metadata)),
            expires=expires if isinstance(expires, Unchanged) else self._future(expires),
        )

    def delete_user(self, collection_id: str, user_id: str, *, keep_faces: bool = False) -> Erasure:
        """Erase a user with all faces; keep_faces: leave them in the collection without a user, as Rekognition does."""
        name, user_id = identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id)
        return self._store.delete_user(name, user_id, self._erasure_request(name, user_id), keep_faces=keep_faces)

    # --- faces ---

    def enroll(
        self,
        collection_id: str,
        probe: Probe,
        *,
        user_id: str | None = None,
        external_image_id: str | None = None,
        max_faces: int | None = None,
        quality_filter: QualityFilter = "AUTO",
        on_duplicate: OnDuplicate = "report",
    ) -> Enrollment:
        """Enroll the largest faces of an image, or a hash; a user that does not exist is created.

        The same image enrolled again for the same person changes nothing and returns the stored faces.

        Args:
            max_faces: 1-100, None: 1 with a user, else 100. Size decides, so that nobody in the background is enrolled
                as somebody else.
            quality_filter: what a face must have; see `quality.LIMITS`.
            on_duplicate: `report` faces that resemble another user or do not resemble their own, `refuse` to enroll
                them, or `allow` everything without looking.
        """
        collection = self._usable_collection(collection_id)
        user_id = None if user_id is None else identifiers.check_user_id(user_id)
        external = None if external_image_id is None else identifiers.check_external_image_id(external_image_id)
        quality_filter = check_quality_filter(quality_filter)
        if on_duplicate not in get_args(OnDuplicate):
            raise InvalidParameter(f"OnDuplicate must be one of {', '.join(get_args(OnDuplicate))}")
        chosen, unindexed = _choose(probe.faces, max_faces or (1 if user_id else MAX_FACES), quality_filter)
        new = [self._stored_face(collection, probe, number, face, user_id, external) for number, face in chosen]
        if not new:
            return Enrollment((), tuple(unindexed), ())
        fits, duplicates, threshold = self._check_enrollment(collection, new, user_id, on_duplicate)
        misfits = {index for index, fit in fits.items() if on_duplicate == "refuse" and not fit.fits}
        unindexed += [UnindexedFace(chosen[index][1], ("LOW_MATCH_CONFIDENCE",)) for index in sorted(misfits)]
        kept = [index for index in range(len(new)) if index not in misfits]
        added = self._store.add_faces(
            collection.name,
            [new[index] for index in kept],
            reject_within=threshold if on_duplicate == "refuse" else None,
        )
        records, found = [], []
        for index, result in zip(kept, added, strict=True):
            face_id = None if result.face is None else result.face.face_id
            found += [Duplicate(neighbor, face_id) for neighbor in duplicates[index]]
            if result.face is not None:
                detected = chosen[index][1].detected
                records.append(FaceRecord(result.face, result.created, detected, fits.get(index)))
                continue
            unindexed.append(UnindexedFace(chosen[index][1], ("DUPLICATE_FACE",)))
            if result.duplicate_of is not None and not duplicates[index]:  # enrolled by somebody else a moment ago
                found.append(Duplicate(result.duplicate_of, None))
        return Enrollment(tuple(records), tuple(unindexed), tuple(found))

    def list_faces(
        self,
        collection_id: str,
        *,
        user_id: str | None = None,
        face_ids: Sequence[str] | None = None,
        limit: int = 1000,
        token: str | None = None,
    ) -> Page[StoredFace]:
        """Faces by FaceId; of one user, or of these ids only, where given."""
        found = self._store.list_faces(
            identifiers.check_collection_id(collection_id),
            user_id=None if user_id is None else identifiers.check_user_id(user_id),
            face_ids=None if face_ids is None else identifiers.check_face_ids(list(face_ids)),
            after=self._face_after(token),
            limit=identifiers.check_page_size(limit) + 1,
        )
        return _page(found, limit, lambda face: face.face_id)

    def delete_faces(self, collection_id: str, face_ids: Sequence[str]) -> tuple[Erasure, list[str]]:
        """Delete faces; also returns the ids that were there."""
        name = identifiers.check_collection_id(collection_id)
        return self._store.delete_faces(
            name, identifiers.check_face_ids(list(face_ids)), self._erasure_request(name, None)
        )

    def associate_faces(
        self, collection_id: str, user_id: str, face_ids: Sequence[str], *, max_distance: float = 2.0
    ) -> Association:
        """Give faces to a user.

        max_distance: a face farther than this from every face the user has is not given (LOW_MATCH_CONFIDENCE).
        """
        name, user_id = identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id)
        face_ids = identifiers.check_face_ids(list(face_ids))
        if self._store.get_user(name, user_id).faces + len(face_ids) > MAX_FACES_PER_USER:
            raise InvalidParameter(f"a user may have at most {MAX_FACES_PER_USER} associated faces")
        there = {face.face_id: face for face in self._faces_with_vectors(name, face_ids)}
        failed: dict[str, tuple[str, ...]] = {}
        wanted = []
        for face_id in face_ids:
            face = there.get(face_id)
            if face is None:
                failed[face_id] = ("FACE_NOT_FOUND",)
            elif face.user_id not in (None, user_id):
                failed[face_id] = ("ASSOCIATED_TO_A_DIFFERENT_USER",)
            elif face.user_id is None and self._is_farther(name, user_id, face, max_distance):
                failed[face_id] = ("LOW_MATCH_CONFIDENCE",)
            else:
                wanted.append(face_id)
        changed = set(self._store.assign_faces(name, wanted, user_id)) if wanted else set()
        for face_id in wanted:
            if face_id not in changed and there[face_id].user_id != user_id:  # somebody else was faster
                failed[face_id] = ("ASSOCIATED_TO_A_DIFFERENT_USER",)
        return Association(tuple(each for each in wanted if each not in failed), tuple(failed.items()))

    def disassociate_faces(self, collection_id: str, user_id: str, face_ids: Sequence[str]) -> Association:
        """Take faces from a user; they stay in the collection."""
        name, user_id = identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id)
        face_ids = identifiers.check_face_ids(list(face_ids))
        changed = self._store.unassign_faces(name, face_ids, user_id)
        rest = [each for each in face_ids if each not in set(changed)]
        there = (
            {each.face_id for each in self._store.list_faces(name, face_ids=rest, limit=len(rest))} if rest else set()
        )
        failed = tuple(
            (each, ("ASSOCIATED_TO_A_DIFFERENT_USER" if each in there else "FACE_NOT_FOUND",)) for each in rest
        )
        return Association(tuple(changed), failed)

    # --- searching ---

    def search(  # noqa: PLR0913 (one for each field of the request)
        self,
        collection_id: str,
        vectors: NDArray[np.float32],
        *,
        max_false_positive_rate: float | None = None,
        threshold: float | None = None,
        users: Sequence[str] | None = None,
        max_matches: int = DEFAULT_MATCHES,
        grouping: Grouping = "people",
        reliable: Sequence[bool] | None = None,
    ) -> SearchResult:
        """Identify every face of an image.

        Args:
            vectors: (F, 768) float32 of norm 1, one per face.
            max_false_positive_rate: requested rate, None: the collection's.
            threshold: Euclidean distance to apply instead of the one that follows from the rate.
            users: search only among these users' faces; the smaller number of faces allows a more lenient threshold.
            max_matches: matches per face.
            grouping: `people` decides about names and gives a person to one face only; `faces` and `users` return what
                lies within the threshold, as Rekognition does.
            reliable: which faces can be relied upon (`Probe.reliable`); the others are never a sure match.
        """
        collection = self._usable_collection(collection_id)
        return self._search(
            collection,
            _trim(vectors, collection.width),
            rate=None if max_false_positive_rate is None else identifiers.check_rate(max_false_positive_rate),
            threshold=threshold,
            users=None if users is None else identifiers.check_user_ids(list(users)),
            max_matches=max_matches,
            grouping=grouping,
            reliable=reliable,
        )

    def search_by_face(
        self,
        collection_id: str,
        face_id: str,
        *,
        threshold: float | None = None,
        max_matches: int = DEFAULT_MATCHES,
        grouping: Grouping = "faces",
    ) -> SearchResult:
        """Search with a stored face, which is not among the matches. Raises FaceNotFound."""
        collection = self._usable_collection(collection_id)
        face = self._face_with_vector(collection.name, face_id)
        return self._search(
            collection,
            _vectors([face]),
            threshold=threshold,
            max_matches=max_matches,
            grouping=grouping,
            leave_out=lambda neighbor: (
                neighbor.face.face_id == face.face_id
                or (grouping != "faces" and face.user_id is not None and neighbor.face.user_id == face.user_id)
            ),
        )

    def search_by_user(
        self,
        collection_id: str,
        user_id: str,
        *,
        threshold: float | None = None,
        max_matches: int = DEFAULT_MATCHES,
    ) -> SearchResult:
        """Search for users who resemble a user, with the nearest of all their faces. One result, without that user."""
        collection = self._usable_collection(collection_id)
        user_id = identifiers.check_user_id(user_id)
        faces = self._store.list_faces(collection.name, user_id=user_id, limit=MAX_FACES_PER_USER, vectors=True)
        found = self._search(
            collection,
            _vectors(faces, collection.width),
            threshold=threshold,
            max_matches=max_matches,
            grouping="users",
            leave_out=lambda neighbor: neighbor.face.user_id == user_id,
        )
        best: dict[str | None, Neighbor] = {}
        for match in sorted((m for face in found.faces for m in face.matches), key=lambda match: match.distance):
            best.setdefault(match.face.user_id, match)
        matches = tuple(islice(best.values(), max_matches))
        return replace(found, faces=(Identification("match" if matches else "unknown", matches),))

    def verify(self, collection_id: str, user_id: str, vectors: NDArray[np.float32]) -> list[float]:
        """For each vector (F, 768) its Euclidean distance from the nearest face of one user.

        Raises NoFace when the user has none.
        """
        collection = self._usable_collection(collection_id)
        user = self._store.get_user(collection.name, identifiers.check_user_id(user_id))
        found = self._store.nearest(
            collection.name, _trim(vectors, collection.width), limit=1, users=[user.user_id], grouping="faces"
        )
        if not found.gallery_size:
            raise NoFace(f"the user {user.user_id} has no faces: enroll one first")
        return [neighbors[0].distance for neighbors in found.neighbors]

    def confidence(self, distance: float) -> float:
        """Probability (0-1) that two faces at this Euclidean distance are one person, as /compare reports it."""
        model = self._model()
        return embedding.confidence(distance, model.threshold, model.scale)

    def distance_at_confidence(self, confidence: float) -> float:
        """The Euclidean distance (0-2) at which `confidence` is this; the inverse of it."""
        model = self._model()
        if confidence <= 0:
            return 2.0
        if confidence >= 1:
            return 0.0
        return min(2.0, max(0.0, model.threshold - model.scale * float(np.log(confidence / (1 - confidence)))))

    # --- moving data ---

    def export_faces(self, collection_id: str) -> tuple[Collection, Iterator[StoredFace]]:
        """The collection and all of its faces with vectors, read page by page."""
        collection = self._store.get_collection(identifiers.check_collection_id(collection_id))
        return collection, self._every_face(collection.name)

    def import_faces(self, collection_id: str, lines: Iterable[tuple[int, StoredFace | str]]) -> ImportReport:
        """Enroll faces with their vectors, in batches; what is there already stays as it is.

        lines: numbers of lines, each with its face (a vector of HASH_SIZE numbers) or with what is wrong with it.
        """
        collection = self._usable_collection(collection_id)
        imported = unchanged = failed = 0
        errors: list[tuple[int, str]] = []
        batch: list[StoredFace] = []

        def write() -> None:
            nonlocal imported, unchanged
            added = self._store.add_faces(collection.name, batch)
            created = sum(each.created for each in added)
            imported, unchanged = imported + created, unchanged + len(added) - created
            batch.clear()

        for number, line in lines:
            problem = line if isinstance(line, str) else ""
            if isinstance(line, StoredFace):
                try:
                    batch.append(replace(line, vector=_trim(line.vector, collection.width)))
                except InvalidFaceHash as error:
                    problem = error.message
            if problem:
                failed += 1
                errors += [(number, problem)] if len(errors) < REPORTED_IMPORT_ERRORS else []
            if len(batch) == IMPORT_BATCH:
                write()
        if batch:
            write()
        return ImportReport(imported, unchanged, failed, tuple(errors))

    # --- erasure and operation ---

    def describe_erasure(self, erasure_id: str) -> Erasure:
        """What became of a deletion. Raises NotFound."""
        found = self._store.get_erasure(identifiers.check_face_id(erasure_id))
        if found is None:
            raise NotFound("there is no erasure of this id")
        return found

    def purge(self) -> list[Purge]:
        """Apply retention, and remove deleted data from the store's files; see `Store.purge` and `Store.scrub`."""
        now = self._now()
        purged = self._store.purge(now)
        self._store.scrub(now)
        return purged

    def subject(self, collection_id: str, user_id: str) -> str:
        """Keyed digest of a UserId for the audit log: the same for the same user, and meaningless without the store."""
        text = f"{collection_id}\0{user_id}".encode()
        return hmac.new(self._store.subject_key(), text, hashlib.sha256).hexdigest()[:32]

    def health(self) -> dict[str, Any]:
        return self._store.health()

    def check_usable(self, collection_id: str) -> Collection:
        """The collection, if its hashes compare with the running model's. Raises ModelMismatch."""
        return self._usable_collection(collection_id)

    def close(self) -> None:
        self._store.close()

    # --- parts of the above ---

    def _now(self) -> datetime:
        return self._clock()

    def _future(self, expires: datetime | None) -> datetime | None:
        if expires is not None and expires <= self._now():
            raise InvalidParameter("Expires must be in the future")
        return expires

    def _erasure_request(self, collection: str, user_id: str | None) -> ErasureRequest:
        now = self._now()
        until = None if self._backup_days is None else now + timedelta(days=self._backup_days)
        subject = "" if user_id is None else self.subject(collection, user_id)
        return ErasureRequest(str(uuid.uuid4()), subject, now, until)

    def _usable_collection(self, collection_id: str) -> Collection:
        collection = self._store.get_collection(identifiers.check_collection_id(collection_id))
        version = self._model().version
        if collection.model_version != version:
            raise ModelMismatch(
                f"the collection {collection.name} holds hashes of {collection.model_version}, and this service runs "
                f"{version}: serve it with its own bundle, or enroll its people anew"
            )
        return collection

    def _info(self, collection: Collection) -> CollectionInfo:
        return CollectionInfo(collection, self._threshold(collection, collection.faces))

    def _threshold(self, collection: Collection, gallery_size: int, rate: float | None = None) -> float:
        model = self._model()
        strangers = self._strangers.of(collection, bundle_strangers(model))
        wanted = collection.max_false_positive_rate if rate is None else rate
        return search_threshold(strangers, gallery_size, wanted, model.threshold).threshold

    def _search(  # noqa: PLR0913
        self,
        collection: Collection,
        vectors: NDArray[np.float32],
        *,
        threshold: float | None,
        max_matches: int,
        grouping: Grouping,
        rate: float | None = None,
        users: Sequence[str] | None = None,
        leave_out: Callable[[Neighbor], bool] | None = None,
        reliable: Sequence[bool] | None = None,
    ) -> SearchResult:
        # Others than the reported ones are needed to see who is ambiguous, and where another face took the person.
        limit = max_matches + max(1, len(vectors))
        nearest = self._store.nearest(collection.name, vectors, limit=limit, users=users, grouping=grouping)
        neighbors = nearest.neighbors
        if leave_out is not None:
            neighbors = tuple(tuple(each for each in one if not leave_out(each)) for one in neighbors)
        if threshold is None:
            threshold = self._threshold(collection, nearest.gallery_size, rate)
        if grouping == "people":
            faces = identify(neighbors, threshold, self._model().scale, max_matches, reliable)
        else:
            near = [tuple(each for each in one if each.distance <= threshold)[:max_matches] for one in neighbors]
            faces = [Identification("match" if each else "unknown", each) for each in near]
        strangers = self._strangers.of(collection, bundle_strangers(self._model()))
        expected = expected_rate(strangers, nearest.gallery_size, threshold)
        return SearchResult(tuple(faces), threshold, nearest.gallery_size, expected, nearest.exact)

    def _stored_face(
        self,
        collection: Collection,
        probe: Probe,
        number: int,
        face: ProbeFace,
        user_id: str | None,
        external_image_id: str | None,
    ) -> StoredFace:
        return StoredFace(
            face_id=str(uuid.uuid4()),
            user_id=user_id,
            external_image_id=external_image_id,
            image_id=probe.image_id,
            box=face.box,
            confidence=None if face.detected is None else face.detected.confidence,
            created=self._now(),
            source_key=probe.source_key(number, user_id, external_image_id),
            vector=_trim(face.vector, collection.width),
        )

    def _check_enrollment(
        self, collection: Collection, new: Sequence[StoredFace], user_id: str | None, on_duplicate: OnDuplicate
    ) -> tuple[dict[int, PersonFit], list[list[Neighbor]], float]:
        """How each new face fits its own person, which other people it resembles, and within which distance."""
        if on_duplicate == "allow":
            return {}, [[] for _ in new], 0.0
        vectors = _vectors(new)
        nearest = self._store.nearest(collection.name, vectors, limit=DEFAULT_MATCHES + 1)
        threshold = self._threshold(collection, nearest.gallery_size)
        duplicates = [
            [each for each in neighbors if each.distance <= threshold and _is_other(each.face, face)]
            for face, neighbors in zip(new, nearest.neighbors, strict=True)
        ]
        fits: dict[int, PersonFit] = {}
        if user_id is not None:
            own = self._store.nearest(collection.name, vectors, limit=1, users=[user_id], grouping="faces")
            pair_threshold = self._model().threshold
            fits = {
                index: PersonFit(neighbors[0].distance, neighbors[0].distance <= pair_threshold)
                for index, neighbors in enumerate(own.neighbors)
                if neighbors
            }
        return fits, duplicates, threshold

    def _face_with_vector(self, name: str, face_id: str) -> StoredFace:
        found = self._faces_with_vectors(name, [identifiers.check_face_id(face_id)])
        if not found:
            raise FaceNotFound(f"the collection has no face {face_id}")
        return found[0]

    def _faces_with_vectors(self, name: str, face_ids: Sequence[str]) -> list[StoredFace]:
        return self._store.list_faces(name, face_ids=face_ids, limit=len(face_ids), vectors=True)

    def _is_farther(self, name: str, user_id: str, face: StoredFace, max_distance: float) -> bool:
        if max_distance >= 2:
            return False
        own = self._store.nearest(name, _vectors([face]), limit=1, users=[user_id], grouping="faces").neighbors[0]
        return bool(own) and own[0].distance > max_distance

    def _every_face(self, name: str) -> Iterator[StoredFace]:
        after = ""
        while page := self._store.list_faces(name, after=after, limit=EXPORT_PAGE, vectors=True):
            yield from page
            after = page[-1].face_id

    @staticmethod
    def _face_after(token: str | None) -> str:
        start = identifiers.page_start(token)
        return identifiers.check_face_id(start) if start else ""


def _choose(
    faces: Sequence[ProbeFace], max_faces: int, quality_filter: QualityFilter
) -> tuple[list[tuple[int, ProbeFace]], list[UnindexedFace]]:
    """The faces to enroll with their rank by size, and the others with reasons."""
    chosen, unindexed = [], []
    for number, face in enumerate(faces):
        reasons: list[UnindexedReason] = [] if face.detected is None else quality_reasons(face.detected, quality_filter)
        if number >= max_faces:
            reasons.insert(0, "EXCEEDS_MAX_FACES")
        if reasons:
            unindexed.append(UnindexedFace(face, tuple(reasons)))
        else:
            chosen.append((number, face))
    return chosen, unindexed


def _is_other(stored: StoredFace, new: StoredFace) -> bool:
    """Whether a stored face is another person's than a new one is said to be."""
    if new.user_id is not None:
        return stored.user_id not in (None, new.user_id)
    if stored.source_key == new.source_key:
        return False
    return stored.external_image_id is None or stored.external_image_id != new.external_image_id


def _trim(vectors: Any, width: int) -> NDArray[np.float32]:
    """Vectors (…, HASH_SIZE) as the collection stores them, (…, width). Raises InvalidFaceHash."""
    found = np.asarray(vectors, np.float32)
    if found.size == 0:
        return np.empty((0, width), np.float32)
    if found.shape[-1] != HASH_SIZE or np.any(found[..., width:]):
        raise InvalidFaceHash(
            f"face_hash must be {HASH_SIZE} numbers of which only the first {width} are not zero with this model"
        )
    return np.ascontiguousarray(found[..., :width])


def _vectors(faces: Sequence[StoredFace], width: int = 0) -> NDArray[np.float32]:
    found = [face.vector for face in faces if face.vector is not None]
    return np.stack(found) if found else np.empty((0, width), np.float32)


def _page(items: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """A page of `limit` items out of one more than that."""
    if len(items) <= limit:
        return Page(tuple(items), None)
    return Page(tuple(items[:limit]), identifiers.page_token(key(items[limit - 1])))
