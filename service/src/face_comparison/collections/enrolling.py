"""Enrollment with its checks, and the assignment of faces to users."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import get_args

from face_comparison.api.collections import UnindexedReason
from face_comparison.api.limits import MAX_FACES
from face_comparison.collections import identifiers
from face_comparison.collections.probe import Probe, ProbeFace
from face_comparison.collections.quality import QualityFilter, check_quality_filter, quality_reasons
from face_comparison.collections.results import (
    Association,
    Duplicate,
    Enrollment,
    FaceRecord,
    OnDuplicate,
    PersonFit,
    UnindexedFace,
)
from face_comparison.collections.searching import MAX_FACES_PER_USER
from face_comparison.collections.service_base import DEFAULT_MATCHES, ServiceBase, stack_vectors, trim
from face_comparison.collections.stores.base import RequestToken
from face_comparison.collections.values import Collection, Neighbor, StoredFace
from face_comparison.errors import InvalidParameter, UserFull


class Enrolling(ServiceBase):
    """See `CollectionService`."""

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
        """Enrolls the most prominent faces of an image, or a hash. Creates the user if it does not exist.

        Enrolling the same image again for the same person changes nothing and returns the stored faces.

        Args:
            collection_id: The collection.
            probe: The faces of the image, or the hash.
            user_id: The user that the face belongs to; None to enroll faces without a user.
            external_image_id: The caller's id of the image, kept with its faces.
            max_faces: Maximum number of faces, 1-100; None for 1 with a user, and otherwise 100. With a user, faces are
                selected by size alone, so that nobody in the background is enrolled as that user. Otherwise, faces of
                sufficient quality are preferred.
            quality_filter: Minimum quality of a face; see `quality.LIMITS`.
            on_duplicate: What to do with a face that resembles another user or does not resemble its own: `report` it,
                `refuse` to enroll it, or `allow` it without checking.

        Raises:
            CollectionNotFound: There is no such collection.
            ModelMismatch: The collection contains hashes of another model.
            CollectionFull: The store does not accept more faces.
        """
        collection = self._usable_collection(collection_id)
        user_id = None if user_id is None else identifiers.check_user_id(user_id)
        external = None if external_image_id is None else identifiers.check_external_image_id(external_image_id)
        quality_filter = check_quality_filter(quality_filter)
        if on_duplicate not in get_args(OnDuplicate):
            raise InvalidParameter(f"OnDuplicate must be one of {', '.join(get_args(OnDuplicate))}")
        chosen, unindexed = _choose(
            probe.faces,
            max_faces or (1 if user_id else MAX_FACES),
            quality_filter,
            quality_first=user_id is None,
        )
        new = [self._stored_face(collection, probe, number, face, user_id, external) for number, face in chosen]
        if not new:
            return Enrollment((), tuple(unindexed), ())
        fits, duplicates, threshold = self._check_enrollment(collection, new, user_id, on_duplicate)
        misfits = {index for index, fit in fits.items() if on_duplicate == "refuse" and not fit.fits}
        unindexed += [UnindexedFace(chosen[index][1], ("LOW_MATCH_CONFIDENCE",)) for index in sorted(misfits)]
        fitting = [index for index in range(len(new)) if index not in misfits]
        added = self._store.add_faces(
            collection.name,
            [new[index] for index in fitting],
            reject_within=threshold if on_duplicate == "refuse" else None,
        )
        records, found = [], []
        for index, result in zip(fitting, added, strict=True):
            face_id = None if result.face is None else result.face.face_id
            found += [Duplicate(neighbor, face_id) for neighbor in duplicates[index]]
            if result.face is not None:
                detected = chosen[index][1].detected
                records.append(FaceRecord(result.face, result.created, detected, fits.get(index)))
                continue
            unindexed.append(UnindexedFace(chosen[index][1], ("DUPLICATE_FACE",)))
            if result.duplicate_of is not None and not duplicates[index]:  # enrolled concurrently, after the check
                found.append(Duplicate(result.duplicate_of, None))
        return Enrollment(tuple(records), tuple(unindexed), tuple(found))

    def associate_faces(
        self,
        collection_id: str,
        user_id: str,
        face_ids: Sequence[str],
        *,
        max_distance: float = 2.0,
        token: RequestToken | None = None,
    ) -> Association:
        """Assigns faces without a user to a user; faces that already belong to the user are ignored.

        Args:
            collection_id: The collection.
            user_id: The user.
            face_ids: The faces.
            max_distance: Maximum Euclidean distance of a face to the nearest face of the user. Faces farther away are
                not assigned (LOW_MATCH_CONFIDENCE).
            token: See `request_token`.

        Raises:
            UserFull: The user would have more than MAX_FACES_PER_USER faces.
            RequestTokenReused: The token was used for a request with other parameters.
        """
        name, user_id = identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id)
        face_ids = identifiers.check_face_ids(list(face_ids))
        has = self._store.get_user(name, user_id).faces
        stored = {face.face_id: face for face in self._faces_with_vectors(name, face_ids)}
        if has + sum(face.user_id is None for face in stored.values()) > MAX_FACES_PER_USER:
            raise UserFull(f"a user may have at most {MAX_FACES_PER_USER} associated faces")
        failed: dict[str, tuple[str, ...]] = {}
        to_assign = []
        for face_id in face_ids:
            face = stored.get(face_id)
            if face is None:
                failed[face_id] = ("FACE_NOT_FOUND",)
            elif face.user_id not in (None, user_id):
                failed[face_id] = ("ASSOCIATED_TO_A_DIFFERENT_USER",)
            elif face.user_id is None and self._is_farther(name, user_id, face, max_distance):
                failed[face_id] = ("LOW_MATCH_CONFIDENCE",)
            else:
                to_assign.append(face_id)
        changed = set(self._store.assign_faces(name, to_assign, user_id, token=token)) if to_assign else set()
        for face_id in to_assign:
            if face_id not in changed and stored[face_id].user_id != user_id:  # assigned to another user concurrently
                failed[face_id] = ("ASSOCIATED_TO_A_DIFFERENT_USER",)
        return Association(tuple(each for each in to_assign if each in changed), tuple(failed.items()))

    def disassociate_faces(
        self, collection_id: str, user_id: str, face_ids: Sequence[str], *, token: RequestToken | None = None
    ) -> Association:
        """Removes faces from a user; they stay in the collection. Faces without a user are ignored.

        Args:
            collection_id: The collection.
            user_id: The user.
            face_ids: The faces.
            token: See `request_token`.
        """
        name, user_id = identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id)
        face_ids = identifiers.check_face_ids(list(face_ids))
        changed = self._store.unassign_faces(name, face_ids, user_id, token=token)
        removed = set(changed)
        unremoved = [each for each in face_ids if each not in removed]
        stored = self._store.list_faces(name, face_ids=unremoved, limit=len(unremoved)) if unremoved else []
        free = {face.face_id for face in stored if face.user_id is None}
        others = {face.face_id for face in stored} - free
        failed = tuple(
            (each, ("ASSOCIATED_TO_A_DIFFERENT_USER" if each in others else "FACE_NOT_FOUND",))
            for each in unremoved
            if each not in free
        )
        return Association(tuple(changed), failed)

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
            vector=trim(face.vector, collection.width),
        )

    def _check_enrollment(
        self, collection: Collection, new: Sequence[StoredFace], user_id: str | None, on_duplicate: OnDuplicate
    ) -> tuple[dict[int, PersonFit], list[list[Neighbor]], float]:
        """Returns how each new face fits its own user, which other users it resembles, and the distance limit."""
        if on_duplicate == "allow":
            return {}, [[] for _ in new], 0.0
        vectors = stack_vectors(new)
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

    def _is_farther(self, name: str, user_id: str, face: StoredFace, max_distance: float) -> bool:
        if max_distance >= 2:
            return False
        own = self._store.nearest(name, stack_vectors([face]), limit=1, users=[user_id], grouping="faces").neighbors[0]
        return bool(own) and own[0].distance > max_distance


def _choose(
    faces: Sequence[ProbeFace], max_faces: int, quality_filter: QualityFilter, *, quality_first: bool
) -> tuple[list[tuple[int, ProbeFace]], list[UnindexedFace]]:
    """Returns the faces to enroll, each with its index in `faces`, and the others with the reasons.

    With `quality_first`, faces of insufficient quality do not count towards `max_faces`.
    """
    chosen: list[tuple[int, ProbeFace]] = []
    unindexed = []
    for number, face in enumerate(faces):
        reasons: list[UnindexedReason] = [] if face.detected is None else quality_reasons(face.detected, quality_filter)
        if (len(chosen) if quality_first else number) >= max_faces:
            reasons.insert(0, "EXCEEDS_MAX_FACES")
        if reasons:
            unindexed.append(UnindexedFace(face, tuple(reasons)))
        else:
            chosen.append((number, face))
    return chosen, unindexed


def _is_other(stored: StoredFace, new: StoredFace) -> bool:
    """Returns whether a stored face belongs to a different person than the new face claims to."""
    if new.user_id is not None:
        return stored.user_id not in (None, new.user_id)
    if stored.source_key == new.source_key:
        return False
    return stored.external_image_id is None or stored.external_image_id != new.external_image_id
