"""Handles requests under the stage: readiness, authorization, admission, the handler, and the encoding of its response.

A POST request passes readiness and authorization checks on its head, then admission control with its body.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from flask import Response, g, request

from face_comparison import cancellation, errors, request_memory
from face_comparison.observability import metrics
from face_comparison.rekognition.signature import signer
from face_comparison.serving.admission import Admission
from face_comparison.serving.permit import Caller, Permit
from face_comparison.settings import Settings
from face_comparison.web import environ as environ_keys
from face_comparison.web import request_body
from face_comparison.web.auth import ApiKeys
from face_comparison.web.permissions import Permission, check_permissions
from face_comparison.web.replies import AnyResponse, to_reply
from face_comparison.web.request_gate import RequestGate
from face_comparison.web.signed_requests import verify_signed_request


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Handles the requests of one application.

    Attributes:
        settings: The options of the service.
        admission: Admission control.
        gate: Rejects requests based on their heads.
        keys: The API keys; None if none are required.
    """

    settings: Settings
    admission: Admission
    gate: RequestGate
    keys: ApiKeys | None

    def answer(
        self, handle: Callable[[request_body.Received, Permit], AnyResponse], *permissions: Permission
    ) -> Response:
        """Handles a request with a body, from a caller with one of the permissions."""
        self.gate.check(request.headers)
        caller = self._identify(*permissions)
        deadline = request_deadline(self.settings)
        g.stages.add("read", max(0.0, time.monotonic() - (deadline - self.settings.request_seconds)))
        with (
            self.admission.admit(deadline, caller) as permit,
            _cancelled_with_client(permit),
            metrics.IN_FLIGHT.track_inprogress(),
        ):
            body = request_body.received(request.environ, self.settings.max_body_bytes)
            g.received = len(body)
            permit.body_bytes = request_memory.BODY_COPIES * len(body)
            if self.keys is not None:
                verify_signed_request(self.keys, self.gate, body)
            with cancellation.working_for(permit), request_memory.charged_by(permit.charge):
                return to_reply(handle(body, permit))

    def answer_head(self, handle: Callable[[], AnyResponse], *permissions: Permission) -> Response:
        """Handles a request without a body, from a caller with one of the permissions."""
        self.gate.check(request.headers)
        caller = self.authorize(*permissions)
        with self.admission.admit(request_deadline(self.settings), caller):
            return to_reply(handle())

    def answer_stream(
        self, handle: Callable[[], Iterator[bytes]], media_type: str, *permissions: Permission
    ) -> Response:
        """Handles a request without a body by streaming parts, computed one by one as the client reads them."""
        self.gate.check(request.headers)
        caller = self.authorize(*permissions)
        with ExitStack() as stack:
            permit = stack.enter_context(self.admission.admit(request_deadline(self.settings), caller))
            stack.enter_context(_cancelled_with_client(permit))
            stack.enter_context(metrics.IN_FLIGHT.track_inprogress())
            parts = handle()
            if request.method == "HEAD":
                return Response(content_type=media_type)
            return Response(_paced(parts, permit, self.settings, stack.pop_all()), content_type=media_type)

    def authorize(self, *permissions: Permission) -> Caller:
        """Authorizes a request without a body: its signature covers an empty body."""
        caller = self._identify(*permissions)
        if self.keys is not None:
            verify_signed_request(self.keys, self.gate, b"")
        return caller

    def granted(self) -> tuple[str, ...] | None:
        """Returns the permissions of this request's key, or None if keys are not required."""
        return None if self.keys is None else tuple(sorted(self.keys.permissions(g.client)))

    def _identify(self, *permissions: Permission) -> Caller:
        caller = self.gate.authorize(request.headers, request.remote_addr or "")
        if self.keys is not None:
            # The name of the key that the request claims to have, and its label in metrics.
            g.client = signer(request.headers) or caller.key.removeprefix("key:")
            g.key_label = self.keys.label(g.client)
            check_permissions(self.keys.permissions(g.client), permissions)
        return caller


def request_deadline(settings: Settings) -> float:
    """Returns the deadline of the current request."""
    return request_body.deadline(request.environ, settings.request_seconds)


def _paced(parts: Iterator[bytes], permit: Permit, settings: Settings, resources: ExitStack) -> Iterator[bytes]:
    """Yields the parts of a response, each of which must be computed and sent within the maximum duration of a request.

    The request keeps its place in the queue until the end; if other requests need the place, the response is aborted.

    Args:
        parts: The parts.
        permit: The permit of the request; its deadline is extended after each part.
        settings: The options of the service.
        resources: Released at the end.
    """
    with resources:
        for part in parts:
            permit.check()
            yield part
            permit.check()
            permit.deadline = time.monotonic() + settings.request_seconds


@contextmanager
def _cancelled_with_client(permit: Permit) -> Iterator[None]:
    """Cancels a request when its client disconnects."""
    client = request.environ.get(environ_keys.CLIENT)
    if not isinstance(client, environ_keys.ClientConnection):  # running under another WSGI server
        yield
        return
    client.on_gone(permit, lambda: permit.cancel(errors.ClientDisconnected("the client has disconnected")))
    try:
        yield
    finally:
        client.forget(permit)
