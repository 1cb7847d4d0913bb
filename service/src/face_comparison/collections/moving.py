"""Export and import of a collection's faces with their embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from face_comparison.collections import identifiers
from face_comparison.collections.results import ImportReport
from face_comparison.collections.service_base import ServiceBase, trim
from face_comparison.collections.values import Collection, StoredFace
from face_comparison.errors import InvalidFaceHash

IMPORT_BATCH = 5000
EXPORT_PAGE = 500
REPORTED_IMPORT_ERRORS = 1000


class Moving(ServiceBase):
    """See `CollectionService`."""

    def export_faces(self, collection_id: str) -> tuple[Collection, Iterator[StoredFace]]:
        """Returns the collection and an iterator over all faces with their embeddings, read page by page."""
        collection = self._store.get_collection(identifiers.check_collection_id(collection_id))
        return collection, self._every_face(collection.name)

    def import_faces(self, collection_id: str, lines: Iterable[tuple[int, StoredFace | str]]) -> ImportReport:
        """Enrolls faces with their embeddings, in batches; faces that exist are left unchanged.

        Args:
            collection_id: The collection.
            lines: Line numbers, each with a face (HASH_SIZE numbers) or the error of that line.
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
                    batch.append(replace(line, vector=trim(line.vector, collection.width)))
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

    def _every_face(self, name: str) -> Iterator[StoredFace]:
        after = ""
        while page := self._store.list_faces(name, after=after, limit=EXPORT_PAGE, vectors=True):
            yield from page
            after = page[-1].face_id
