"""Users and their faces, request tokens, and pages."""

from __future__ import annotations

from typing import Any

import pytest

from support.rekognition_api import fault, photo


def test_manages_users_and_faces(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    faces = {
        name: rekognition.index_faces(CollectionId="staff", Image=photo(name))["FaceRecords"][0]["Face"]["FaceId"]
        for name in ("anna", "anna*", "bert")
    }
    rekognition.create_user(CollectionId="staff", UserId="anna")
    assert fault(rekognition.create_user, CollectionId="staff", UserId="anna")[0] == "ConflictException"
    assert rekognition.list_users(CollectionId="staff")["Users"] == [{"UserId": "anna", "UserStatus": "CREATED"}]
    done = rekognition.associate_faces(
        CollectionId="staff", UserId="anna", FaceIds=[faces["anna"], faces["anna*"]], UserMatchThreshold=50
    )
    assert {each["FaceId"] for each in done["AssociatedFaces"]} == {faces["anna"], faces["anna*"]}
    done = rekognition.associate_faces(CollectionId="staff", UserId="anna", FaceIds=[faces["bert"]])
    assert done["UnsuccessfulFaceAssociations"][0]["Reasons"] == ["LOW_MATCH_CONFIDENCE"]

    found = rekognition.search_users_by_image(CollectionId="staff", Image=photo("bert", "anna**"))
    assert found["UserMatches"][0]["User"] == {"UserId": "anna", "UserStatus": "ACTIVE"}
    assert found["UnsearchedFaces"][0]["Reasons"] == ["FACE_NOT_LARGEST"]
    assert rekognition.search_users(CollectionId="staff", FaceId=faces["bert"])["UserMatches"] == []
    assert rekognition.search_users(CollectionId="staff", UserId="anna")["SearchedUser"] == {"UserId": "anna"}
    assert fault(rekognition.search_users, CollectionId="staff")[0] == "InvalidParameterException"
    by_face = rekognition.search_faces(CollectionId="staff", FaceId=faces["anna"], FaceMatchThreshold=50)
    assert [each["Face"]["FaceId"] for each in by_face["FaceMatches"]] == [faces["anna*"]]

    failed = rekognition.delete_faces(CollectionId="staff", FaceIds=[faces["anna"], faces["bert"]])
    assert failed["DeletedFaces"] == [faces["bert"]]
    assert failed["UnsuccessfulFaceDeletions"][0]["Reasons"] == ["ASSOCIATED_TO_AN_EXISTING_USER"]
    gone = rekognition.disassociate_faces(CollectionId="staff", UserId="anna", FaceIds=[faces["anna*"], faces["bert"]])
    assert gone["UnsuccessfulFaceDisassociations"][0]["Reasons"] == ["FACE_NOT_FOUND"]
    rekognition.delete_user(CollectionId="staff", UserId="anna")
    described = rekognition.describe_collection(CollectionId="staff")
    assert (described["FaceCount"], described["UserCount"]) == (2, 0)
    assert described["CreationTimestamp"].tzinfo is not None


def test_results_are_paged(rekognition: Any) -> None:
    for name in ("a", "b", "c"):
        rekognition.create_collection(CollectionId=name)
        rekognition.index_faces(CollectionId="a", Image=photo(name))
    pages = rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2})
    assert [name for page in pages for name in page["CollectionIds"]] == ["a", "b", "c"]
    pages = rekognition.get_paginator("list_faces").paginate(CollectionId="a", PaginationConfig={"PageSize": 2})
    assert len([face for page in pages for face in page["Faces"]]) == 3


def test_repeated_request_is_carried_out_once(rekognition: Any) -> None:
    """As an SDK repeats it when a response was lost: with the same ClientRequestToken."""
    rekognition.create_collection(CollectionId="staff")
    faces = [
        rekognition.index_faces(CollectionId="staff", Image=photo(name))["FaceRecords"][0]["Face"]["FaceId"]
        for name in ("anna", "anna*")
    ]
    create = {"CollectionId": "staff", "UserId": "anna", "ClientRequestToken": "create-1"}
    give = {"CollectionId": "staff", "UserId": "anna", "FaceIds": faces, "UserMatchThreshold": 0}
    take = {"CollectionId": "staff", "UserId": "anna", "FaceIds": faces[:1], "ClientRequestToken": "take-1"}
    delete = {"CollectionId": "staff", "UserId": "anna", "ClientRequestToken": "delete-1"}
    for _ in range(3):
        rekognition.create_user(**create)
    assert fault(rekognition.create_user, CollectionId="staff", UserId="anna")[0] == "ConflictException"
    for _ in range(2):
        given = rekognition.associate_faces(**give, ClientRequestToken="give-1")
        assert [each["FaceId"] for each in given["AssociatedFaces"]] == faces
        assert not given["UnsuccessfulFaceAssociations"]
    for _ in range(2):
        taken = rekognition.disassociate_faces(**take)
        assert [each["FaceId"] for each in taken["DisassociatedFaces"]] == faces[:1]
        assert not taken["UnsuccessfulFaceDisassociations"]
    for _ in range(2):
        rekognition.delete_user(**delete)
    assert rekognition.describe_collection(CollectionId="staff")["FaceCount"] == 2
    assert (
        fault(rekognition.delete_user, **{**delete, "ClientRequestToken": "delete-2"})[0] == "ResourceNotFoundException"
    )
    rekognition.create_user(CollectionId="staff", UserId="bert")
    for call, parameters in (
        (rekognition.create_user, create),
        (rekognition.delete_user, delete),
        (rekognition.associate_faces, {**give, "ClientRequestToken": "give-1"}),
        (rekognition.disassociate_faces, take),
    ):
        code, status, message = fault(call, **{**parameters, "UserId": "bert"})
        assert (code, status) == ("IdempotentParameterMismatchException", 400)
        assert "ClientRequestToken" in message
    # A token belongs to one operation, and a request that failed has not used it.
    assert fault(rekognition.create_user, **{**create, "CollectionId": "none", "ClientRequestToken": "x"})[0] == (
        "ResourceNotFoundException"
    )
    rekognition.create_user(CollectionId="staff", UserId="carl", ClientRequestToken="x")
    rekognition.delete_user(CollectionId="staff", UserId="carl", ClientRequestToken="x")


def test_user_has_at_most_100_faces(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    rekognition.create_user(CollectionId="staff", UserId="anna")
    faces = [
        rekognition.index_faces(CollectionId="staff", Image=photo("anna"), ExternalImageId=str(number))
        for number in range(101)
    ]
    ids = [each["FaceRecords"][0]["Face"]["FaceId"] for each in faces]
    for number in (100, 0):
        done = rekognition.associate_faces(CollectionId="staff", UserId="anna", FaceIds=ids[:100])
        assert len(done["AssociatedFaces"]) == number
    with pytest.raises(rekognition.exceptions.ServiceQuotaExceededException):
        rekognition.associate_faces(CollectionId="staff", UserId="anna", FaceIds=ids[100:])


def test_faces_already_as_asked_for_are_ignored(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    [anna, bert] = [
        rekognition.index_faces(CollectionId="staff", Image=photo(name))["FaceRecords"][0]["Face"]["FaceId"]
        for name in ("anna", "bert")
    ]
    user = {"CollectionId": "staff", "UserId": "anna"}
    rekognition.create_user(**user)
    rekognition.associate_faces(**user, FaceIds=[anna])
    again = rekognition.associate_faces(**user, FaceIds=[anna])
    assert (again["AssociatedFaces"], again["UnsuccessfulFaceAssociations"]) == ([], [])
    free = rekognition.disassociate_faces(**user, FaceIds=[bert])
    assert (free["DisassociatedFaces"], free["UnsuccessfulFaceDisassociations"]) == ([], [])
    assert free["UserStatus"] == "ACTIVE"
