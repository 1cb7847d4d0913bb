"""The operations of Amazon Rekognition that this product supports.

Each is a function of the parsed parameters; its result has the shape of botocore's service model.
"""

from __future__ import annotations

from collections.abc import Callable

from face_comparison.rekognition.operations import collections, images, searches, users
from face_comparison.rekognition.operations.context import Context, Parameters
from face_comparison.rekognition.shapes import Shape

__all__ = ["OPERATIONS", "Context"]

OPERATIONS: dict[str, Callable[[Parameters, Context], Shape]] = {
    "CompareFaces": images.compare_faces,
    "DetectFaces": images.detect_faces,
    "CreateCollection": collections.create_collection,
    "DescribeCollection": collections.describe_collection,
    "ListCollections": collections.list_collections,
    "DeleteCollection": collections.delete_collection,
    "IndexFaces": collections.index_faces,
    "ListFaces": collections.list_faces,
    "DeleteFaces": collections.delete_faces,
    "SearchFaces": searches.search_faces,
    "SearchFacesByImage": searches.search_faces_by_image,
    "CreateUser": users.create_user,
    "DeleteUser": users.delete_user,
    "ListUsers": users.list_users,
    "AssociateFaces": users.associate_faces,
    "DisassociateFaces": users.disassociate_faces,
    "SearchUsers": searches.search_users,
    "SearchUsersByImage": searches.search_users_by_image,
}
