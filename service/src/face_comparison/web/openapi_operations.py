"""Builds the operations of the OpenAPI document, with the errors that each may report."""

from __future__ import annotations

from http import HTTPStatus

from face_comparison.errors import FaceComparisonError
from face_comparison.web import error_table
from face_comparison.web.error_table import Context
from face_comparison.web.openapi_schemas import Schema, ref


class Operations:
    """Builds operations with the errors listed for them in `error_table`."""

    def __init__(self, closed: bool) -> None:
        self._closed = closed

    def post(self, summary: str, request: Schema, response: Schema, contexts: tuple[Context, ...]) -> Schema:
        """Returns a POST operation.

        Args:
            summary: Summary in one line.
            request: Content of the request, by media type.
            response: Content of the response with status 200, by media type.
            contexts: Aspects of the operation that may fail.
        """
        return {
            "tags": ["faces"],
            "summary": summary,
            "parameters": [{"$ref": "#/components/parameters/X-Request-Id"}],
            "requestBody": {"required": True, "content": request},
            **self.outcomes(response, ("models", "keys", "admission", "body", "json", *contexts)),
        }

    def get(
        self,
        name: str,
        summary: str,
        tag: str,
        schema: Schema | None = None,
        media_type: str = "application/json",
        *,
        contexts: tuple[Context, ...] = (),
    ) -> Schema:
        """Returns a GET operation.

        Args:
            name: Operation ID.
            summary: Summary in one line.
            tag: Tag under which the operation is listed.
            schema: Schema of the response; any JSON object by default.
            media_type: Media type of the response.
            contexts: Aspects of the operation that may fail.
        """
        return {
            "operationId": name,
            "tags": [tag],
            "summary": summary,
            **self.outcomes({media_type: {"schema": schema or {"type": "object"}}}, contexts),
        }

    def outcomes(self, response: Schema, contexts: tuple[Context, ...]) -> Schema:
        """Returns the responses of an operation and its security requirement.

        Args:
            response: Content of the response with status 200, by media type.
            contexts: Aspects of the operation that may fail.
        """
        return {
            "responses": {"200": _response("OK.", response), **self._failures(contexts)},
            **self._security(contexts),
        }

    def _security(self, contexts: tuple[Context, ...]) -> Schema:
        return {"security": [{"ApiKey": []}, {"Bearer": []}]} if self._closed and "keys" in contexts else {}

    def _failures(self, contexts: tuple[Context, ...]) -> Schema:
        by_status: dict[int, list[type[FaceComparisonError]]] = {}
        for error in error_table.in_contexts(each for each in contexts if self._closed or each != "keys"):
            by_status.setdefault(error_table.ERRORS[error].status, []).append(error)
        return {str(status): _failure(status, failures) for status, failures in sorted(by_status.items())}


def _response(text: str, content: Schema, **headers: str) -> Schema:
    names = {"X-Request-Id": "X-Request-Id", **headers}
    return {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{header}"} for name, header in names.items()},
        "content": content,
    }


def _failure(status: int, failures: list[type[FaceComparisonError]]) -> Schema:
    retry = {"Retry-After": "Retry-After"} if status in (429, 503) else {}
    examples = {
        each.code: {"value": {"error": {"code": each.code, "message": each.example, "request_id": "5f0c6a52b1d94c5e"}}}
        for each in failures
    }
    text = "\n".join(f"- `{each.code}`: {each.meaning}" for each in failures)
    return _response(
        f"{HTTPStatus(status).phrase}.\n\n{text}",
        {"application/json": {"schema": ref("ErrorResponse"), "examples": examples}},
        **retry,
    )
