"""What both stores share: the columns of their tables, and the selection of new faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from face_comparison.collections.stores.base import ErasureRequest, RequestToken
from face_comparison.collections.values import AddedFace, Erasure, Neighbor, RelativeBox, StoredFace, Vector
from face_comparison.errors import CollectionExists, CollectionNotFound, RequestTokenReused, UserExists, UserNotFound

COLLECTION = "id, name, model_version, width, max_false_positive_rate, retention_days, metadata, created, face_count"
COUNT_USERS = "(SELECT count(*) FROM person WHERE collection_id = collection.id)"
"""Number of users; slow if there are many, so searches omit it."""

USER = "user_id, metadata, expires, created, (SELECT count(*) FROM face WHERE face.person_id = person.id)"
USER_OF_FACE = "(SELECT user_id FROM person WHERE person.id = person_id)"
FACE = "face_id, {user}, external_image_id, image_id, box, confidence, created, source_key"
"""`{user}` is USER_OF_FACE, or `user_id` of a join. Number of columns:"""

FACE_COLUMNS = 8

INSERTED_FACE = (
    "collection_id, face_id, person_id, source_key, external_image_id, image_id, box, confidence, created, embedding"
)
ERASURE = "erasure_id, collection, subject, faces, deleted, scrubbed, backups_until"


def stored_face(row: Sequence[Any], vector: Vector | None) -> StoredFace:
    """Returns the face in a row of FACE whose values have been converted to Python types; the box is four numbers."""
    face_id, user_id, external, image_id, box, confidence, created, source_key = row
    return StoredFace(
        face_id=str(face_id),
        user_id=user_id,
        external_image_id=external,
        image_id=None if image_id is None else str(image_id),
        box=None if box is None else RelativeBox(*box),
        confidence=confidence,
        created=created,
        source_key=bytes(source_key),
        vector=vector,
    )


def box_numbers(face: StoredFace) -> list[float] | None:
    """Returns the face's box as it is stored."""
    return None if face.box is None else [face.box.left, face.box.top, face.box.width, face.box.height]


def new_erasure(collection: str, faces: int, request: ErasureRequest) -> Erasure:
    """Returns the receipt for the erasure of this number of faces, which are not scrubbed yet."""
    return Erasure(request.erasure_id, collection, request.subject, faces, request.now, None, request.backups_until)


def select_ids(face_ids: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Returns those of these ids, in their order, that the first columns of the rows contain."""
    selected = {row[0] for row in rows}
    return [face_id for face_id in face_ids if face_id in selected]


def by_key(faces: Sequence[StoredFace]) -> dict[bytes | str, StoredFace]:
    """Returns faces by their source_key and by their face_id."""
    return {key: face for face in faces for key in (face.source_key, face.face_id)}


def choose_new(
    faces: Sequence[StoredFace],
    stored: Mapping[bytes | str, StoredFace],
    find_rival: Callable[[StoredFace], Neighbor | None],
) -> tuple[list[AddedFace], list[StoredFace]]:
    """Decides which faces to insert. A face that occurs several times is enrolled once.

    Args:
        faces: The faces to add.
        stored: Existing faces; see `by_key`.
        find_rival: Returns the face of another user that a face duplicates, if any.

    Returns:
        The result for each face, and the faces to insert.
    """
    known = dict(stored)
    added: list[AddedFace] = []
    new: list[StoredFace] = []
    for face in faces:
        same = known.get(face.source_key) or known.get(face.face_id)
        rival = None if same is not None else find_rival(face)
        if same is not None:
            added.append(AddedFace(same, created=False))
        elif rival is not None:
            added.append(AddedFace(None, created=False, duplicate_of=rival))
        else:
            new.append(face)
            known[face.source_key] = known[face.face_id] = face
            added.append(AddedFace(face, created=True))
    return added, new


def first_created(faces: Sequence[StoredFace]) -> dict[str, datetime]:
    """Returns the users of these faces, each with the creation time of its first face."""
    found: dict[str, datetime] = {}
    for face in faces:
        if face.user_id is not None:
            found.setdefault(face.user_id, face.created)
    return found


def nearest_rival(face: StoredFace, neighbors: Sequence[Neighbor], within: float) -> Neighbor | None:
    """Returns the nearest face of another user that is at most `within` away."""
    return next((each for each in neighbors if each.face.user_id != face.user_id and each.distance <= within), None)


def no_collection(name: str) -> NoReturn:
    """Raises CollectionNotFound for a collection that does not exist."""
    raise CollectionNotFound(f"there is no collection {name}")


CREATE_FIRST = "check the name, or create the first one with `face-comparison collection create`"


def collection_exists(name: str) -> CollectionExists:
    """Returns the error for a name that is taken."""
    return CollectionExists(f"the collection {name} exists already")


def no_user(user_id: str) -> NoReturn:
    """Raises UserNotFound for a user who does not exist."""
    raise UserNotFound(f"the collection has no user {user_id}")


def user_exists(user_id: str) -> UserExists:
    """Returns the error for a UserId that is taken."""
    return UserExists(f"the collection already has a user {user_id}: change it with PATCH, or choose another UserId")


def check_parameters(token: RequestToken, known: bytes) -> None:
    """Checks that a repeated token comes with the same parameters as before.

    Args:
        token: The token of the current request.
        known: Keyed digest of the parameters of the earlier request.

    Raises:
        RequestTokenReused: The parameters differ.
    """
    if bytes(known) != token.parameters:
        raise RequestTokenReused("ClientRequestToken was used for a request with other parameters: use a new one")
