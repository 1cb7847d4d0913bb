"""Collection routes: calls to `CollectionService`, responses, permissions, and the audit log.

The OpenAPI document describes each route.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response

from face_comparison.collections.service import CollectionService
from face_comparison.serving.face_service import FaceService
from face_comparison.web.collection_paths import mark_registered
from face_comparison.web.collections.faces import FaceRoutes
from face_comparison.web.collections.management import ManagementRoutes
from face_comparison.web.collections.searches import SearchRoutes
from face_comparison.web.collections.transfer import TransferRoutes
from face_comparison.web.collections.users import UserRoutes
from face_comparison.web.endpoint import Endpoint


def register_collections(
    app: Flask, stage: str, endpoint: Endpoint, face_service: FaceService, service: CollectionService
) -> None:
    """Adds the collection routes under both spellings of the endpoint."""
    management = ManagementRoutes(endpoint, face_service, service)
    faces = FaceRoutes(endpoint, face_service, service)
    searches = SearchRoutes(endpoint, face_service, service)
    users = UserRoutes(endpoint, face_service, service)
    transfer = TransferRoutes(endpoint, face_service, service)
    rules: list[tuple[str, str, str, Callable[..., Response]]] = [
        ("create_collection", "POST", "", management.create),
        ("list_collections", "GET", "", management.list_collections),
        ("describe_erasure", "GET", "/erasures/<uuid:erasure_id>", management.describe_erasure),
        ("describe_collection", "GET", "/<collection_id>", management.describe),
        ("delete_collection", "DELETE", "/<collection_id>", management.delete),
        ("enroll", "POST", "/<collection_id>/faces", faces.enroll),
        ("list_faces", "GET", "/<collection_id>/faces", faces.list_faces),
        ("delete_faces", "POST", "/<collection_id>/faces/delete", faces.delete_faces),
        ("delete_face", "DELETE", "/<collection_id>/faces/<face_id>", faces.delete_face),
        ("search", "POST", "/<collection_id>/search", searches.search),
        ("create_user", "POST", "/<collection_id>/users", users.create_user),
        ("list_users", "GET", "/<collection_id>/users", users.list_users),
        ("describe_user", "GET", "/<collection_id>/users/<user_id>", users.describe_user),
        ("update_user", "PATCH", "/<collection_id>/users/<user_id>", users.update_user),
        ("delete_user", "DELETE", "/<collection_id>/users/<user_id>", users.delete_user),
        ("verify", "POST", "/<collection_id>/users/<user_id>/verify", searches.verify),
        ("export", "GET", "/<collection_id>/export", transfer.export),
        ("import", "POST", "/<collection_id>/import", transfer.import_),
    ]
    mark_registered(app)
    for name in ("face_comparison", "face-comparison"):
        for route, method, path, view in rules:
            app.add_url_rule(f"/{stage}/{name}/collections{path}", route, view, methods=[method])
