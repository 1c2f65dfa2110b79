"""AWS Signature Version 4, the verifying side: header, presigned query and signed chunks.

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)"; its worked examples are the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from harness.s3._errors import S3Refusal

__all__ = ["ChunkSigner", "Credentials", "Verifier"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_MAX_SKEW_S = 15 * 60
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/")
UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str


class ChunkSigner:
    """The chain of chunk signatures of one aws-chunked body; each signs the one before."""

    def __init__(self, key: bytes, amz_date: str, scope: str, seed_signature: str) -> None:
        self._key = key
        self._head = f"{_ALGORITHM}-PAYLOAD\n{amz_date}\n{scope}"
        self._previous = seed_signature

    def next(self, chunk_sha256_hex: str) -> str:
        """The signature of the next chunk, given its digest."""
        text = f"{self._head}\n{self._previous}\n{_EMPTY_SHA256}\n{chunk_sha256_hex}"
        self._previous = hmac.digest(self._key, text.encode(), "sha256").hex()
        return self._previous


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says about its own signature."""

    credential: str
    signed_headers: str
    signature: str
    amz_date: str
    payload_hash: str
    query: Sequence[tuple[str, str]]


class Verifier:
    """Checks that a request was signed with the secret of its access key.

    Parameters
    ----------
    credentials
        The one identity that may do everything.
    wall_clock
        Seconds since the epoch, to refuse signatures that are too old.
    """

    def __init__(self, credentials: Credentials, wall_clock: Callable[[], float]) -> None:
        self._credentials = credentials
        self._wall_clock = wall_clock
        self._keys: dict[str, bytes] = {}
        self._times: dict[str, float] = {}

    def verify(
        self, method: str, raw_path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> ChunkSigner | None:
        """Raise S3Refusal unless the request is signed well; the signer of its chunks if they are signed too."""
        authorization = headers.get("authorization")
        if authorization is not None:
            claim = _claim_of_header(authorization, query, headers)
            self._check_skew(claim.amz_date)
        elif any(name == "X-Amz-Signature" for name, _ in query):
            claim = _claim_of_query(query)
            self._check_expiry(claim.amz_date, dict(query).get("X-Amz-Expires", ""))
        else:
            raise S3Refusal("AccessDenied", "Access Denied: the request is not signed")
        access_key, _, scope = claim.credential.partition("/")
        if access_key != self._credentials.access_key:
            raise S3Refusal(
                "InvalidAccessKeyId", "The AWS access key id you provided does not exist in our records"
            )
        key = self._signing_key(scope)
        canonical = _canonical_request(method, raw_path, claim, headers)
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        text = f"{_ALGORITHM}\n{claim.amz_date}\n{scope}\n{digest}"
        expected = hmac.digest(key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise S3Refusal(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided",
            )
        if claim.payload_hash.startswith(f"STREAMING-{_ALGORITHM}-PAYLOAD"):
            return ChunkSigner(key, claim.amz_date, scope, claim.signature)
        return None

    def _signing_key(self, scope: str) -> bytes:
        found = self._keys.get(scope)
        if found is not None:
            return found
        pieces = scope.split("/")
        if len(pieces) != 4 or pieces[2:] != ["s3", "aws4_request"]:
            raise S3Refusal(
                "AuthorizationHeaderMalformed", "The credential must end in DATE/REGION/s3/aws4_request"
            )
        key = f"AWS4{self._credentials.secret_key}".encode()
        for piece in pieces:
            key = hmac.digest(key, piece.encode(), "sha256")
        if len(self._keys) > 64:
            self._keys.clear()
        self._keys[scope] = key
        return key

    def _age_s(self, amz_date: str) -> float:
        moment = self._times.get(amz_date)
        if moment is None:
            try:
                moment = datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
            except ValueError as error:
                raise S3Refusal(
                    "AccessDenied", f"The date of the signature cannot be read: {amz_date}"
                ) from error
            if len(self._times) > 64:
                self._times.clear()
            self._times[amz_date] = moment
        return self._wall_clock() - moment

    def _check_skew(self, amz_date: str) -> None:
        if abs(self._age_s(amz_date)) > _MAX_SKEW_S:
            raise S3Refusal(
                "RequestTimeTooSkewed", "The request's time and the server's differ by more than 15 minutes"
            )

    def _check_expiry(self, amz_date: str, expires: str) -> None:
        age_s = self._age_s(amz_date)
        if not expires.isdigit() or age_s > int(expires) or age_s < -_MAX_SKEW_S:
            raise S3Refusal("AccessDenied", "Request has expired")


def _claim_of_header(
    authorization: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
) -> _Claim:
    algorithm, _, rest = authorization.partition(" ")
    fields = dict(piece.strip().partition("=")[::2] for piece in rest.split(","))
    try:
        if algorithm != _ALGORITHM:
            raise KeyError(algorithm)
        return _Claim(
            credential=fields["Credential"],
            signed_headers=fields["SignedHeaders"],
            signature=fields["Signature"],
            amz_date=headers["x-amz-date"],
            payload_hash=headers["x-amz-content-sha256"],
            query=query,
        )
    except KeyError as error:
        raise S3Refusal("AccessDenied", f"The signature lacks or mistakes {error}") from error


def _claim_of_query(query: Sequence[tuple[str, str]]) -> _Claim:
    fields = dict(query)
    try:
        if fields["X-Amz-Algorithm"] != _ALGORITHM:
            raise KeyError("X-Amz-Algorithm")
        return _Claim(
            credential=fields["X-Amz-Credential"],
            signed_headers=fields["X-Amz-SignedHeaders"],
            signature=fields["X-Amz-Signature"],
            amz_date=fields["X-Amz-Date"],
            payload_hash=fields.get("X-Amz-Content-Sha256", UNSIGNED),
            query=[(name, value) for name, value in query if name != "X-Amz-Signature"],
        )
    except KeyError as error:
        raise S3Refusal("AccessDenied", f"The presigned URL lacks or mistakes {error}") from error


def _canonical_request(method: str, raw_path: str, claim: _Claim, headers: Mapping[str, str]) -> str:
    lines = [
        method,
        _canonical_path(raw_path),
        "&".join(f"{n}={v}" for n, v in sorted((_encode(n), _encode(v)) for n, v in claim.query))
        if claim.query
        else "",
    ]
    lines += [f"{name}:{' '.join(headers.get(name, '').split())}" for name in claim.signed_headers.split(";")]
    lines += ["", claim.signed_headers, claim.payload_hash]
    return "\n".join(lines)


def _canonical_path(raw_path: str) -> str:
    """The path encoded the one way the signature knows, however the client wrote it."""
    return raw_path if _PLAIN.issuperset(raw_path) else quote(unquote_to_bytes(raw_path), safe="/-_.~")


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
