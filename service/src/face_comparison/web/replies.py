"""Turns the responses of handlers and static files into Flask responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from flask import Response, request
from werkzeug.datastructures import MIMEAccept

from face_comparison.api import encoding
from face_comparison.api.responses import Response as ApiResponse
from face_comparison.web.static_files import StaticFile
from face_comparison.wire.formats import MESSAGE_PACK_TYPES

AnyResponse: TypeAlias = ApiResponse | Mapping[str, Any]
"""What a handler returns: a response of this API, or one in Amazon Rekognition's format."""

_MAX_ACCEPT_BYTES = 1024
"""Maximum length of an `Accept` or `Accept-Encoding` header that is evaluated. Browsers send 150 bytes; evaluating
12 kB took 12 ms."""


def to_reply(response: AnyResponse, status: int = 200) -> Response:
    """Returns a response in the format that the client accepts: MessagePack, or JSON by default."""
    media_type: encoding.MediaType = encoding.JSON
    if _is_short("Accept"):
        # Parameters, such as a charset, do not select another format; werkzeug would not match a type that has any.
        accepts = MIMEAccept([(each.partition(";")[0].strip(), quality) for each, quality in request.accept_mimetypes])
        accepted = accepts.best_match((encoding.JSON, *MESSAGE_PACK_TYPES), encoding.JSON)
        media_type = encoding.JSON if accepted == encoding.JSON else encoding.MESSAGE_PACK
    body = encoding.encode(response, media_type)
    return Response(body, status, content_type=media_type, headers={"Vary": "Accept"})


def file_response(file: StaticFile) -> Response:
    """Returns a static file, compressed if the client accepts that, or 304 if the client already has it."""
    response = Response(file.content, content_type=file.media_type)
    if file.gzipped is not None:
        response.vary.add("Accept-Encoding")
        if _is_short("Accept-Encoding") and request.accept_encodings.quality("gzip") > 0:
            response.set_data(file.gzipped)
            response.content_encoding = "gzip"
    response.set_etag(file.etag, weak=True)
    response.cache_control.no_cache = True
    response.make_conditional(request)
    return response


def _is_short(name: str) -> bool:
    """Returns whether a header of the request is short enough to be evaluated."""
    return len(request.headers.get(name, "")) <= _MAX_ACCEPT_BYTES
