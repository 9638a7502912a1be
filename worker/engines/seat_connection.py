"""Connects a seat to its agent's desk, and proves to each of them who the other is.

The environment tells a seat what it needs: its key (TASKYARD_SEAT_KEY, or TASKYARD_SEAT_KEY_FILE with the path of a
file), and how to know the desk: TASKYARD_SEAT_CERTIFICATE is the very certificate that it has, or
TASKYARD_SEAT_AUTHORITIES the file of those who may have signed it for the name that is dialled ("system": the
system's). TASKYARD_SEAT_SITE names the site of a seat that nobody has launched.
"""

from __future__ import annotations

import os
import socket
import ssl

from taskyard.worker.engines.handshake import is_proof, new_nonce, proof_of, take_key
from taskyard.worker.engines.seat_frames import SEAT_VERSION, Admitted, Challenge, Hello, Refused, SeatStream
from taskyard.worker.isolation.frames import MAX_FRAME_BYTES

CONNECT_SECONDS = 20.0
ADMISSION_SECONDS = 20.0
CERTIFICATE_VARIABLE = "TASKYARD_SEAT_CERTIFICATE"
AUTHORITIES_VARIABLE = "TASKYARD_SEAT_AUTHORITIES"
SITE_VARIABLE = "TASKYARD_SEAT_SITE"
SYSTEM = "system"


class NotAdmitted(Exception):
    """Raised if the desk does not take this seat; `code` is what the process ends with."""

    def __init__(self, reason: str, code: int = 1) -> None:
        super().__init__(reason)
        self.code = code


def admitted_at(host: str, port: int, seat_id: str) -> tuple[SeatStream, Admitted]:
    """Returns the connection of a seat that its desk has admitted. Raises NotAdmitted, EOFError or OSError."""
    key, site = take_key(), os.environ.pop(SITE_VARIABLE, "")
    stream = SeatStream(_connected(host, port), ADMISSION_SECONDS)
    return stream, _admission(stream, seat_id, key, site)


def _connected(host: str, port: int) -> socket.socket:
    certificate = os.environ.pop(CERTIFICATE_VARIABLE, "")
    authorities = os.environ.pop(AUTHORITIES_VARIABLE, "")
    connection = socket.create_connection((host, port), CONNECT_SECONDS)
    if certificate:
        context = ssl.create_default_context(cadata=certificate)
        context.check_hostname = False  # this very certificate is expected, whatever name led here
    elif authorities:
        context = ssl.create_default_context(cafile=None if authorities == SYSTEM else authorities)
    else:
        return connection
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context.wrap_socket(connection, server_hostname=host)


def _admission(stream: SeatStream, seat_id: str, key: str, site: str) -> Admitted:
    """Returns the desk's admission. Raises NotAdmitted, EOFError or OSError."""
    challenge = stream.receive_within(ADMISSION_SECONDS)
    if not isinstance(challenge, Challenge):
        raise NotAdmitted("what answers there is not an agent's desk")
    nonce = new_nonce()
    proof = proof_of(key, "seat", challenge.nonce, nonce, seat_id)
    stream.send(Hello(SEAT_VERSION, seat_id, nonce, proof, socket.gethostname(), os.getpid(), site))
    answer = stream.receive_within(ADMISSION_SECONDS)
    if isinstance(answer, Refused):
        raise NotAdmitted(f"its agent refuses it: {answer.reason}", 0 if answer.for_good else 1)
    expected = proof_of(key, "desk", challenge.nonce, nonce, seat_id)
    if not isinstance(answer, Admitted) or not is_proof(answer.proof, expected):
        raise NotAdmitted("the desk does not prove that it is its agent's")
    stream.limit_bytes = MAX_FRAME_BYTES
    return answer
