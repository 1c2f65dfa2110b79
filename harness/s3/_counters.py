"""What a server has been asked, by kind of request, and what S3 would charge for it."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["S3Counters"]

_USD_PER_READ = 0.0004 / 1000
_USD_PER_WRITE = 0.005 / 1000


@dataclass(frozen=True, slots=True)
class S3Counters:
    """Requests and body bytes since the server's start or last reset; ``after - before`` is what a trial cost.

    ``put`` counts object writes, parts and the two ends of a multipart upload; ``delete`` counts single and batch
    deletes; ``other`` what has to do with buckets. ``errors`` counts answers of 400 and above, other than 404, 412 and
    416, and connections a fault cut off. ``bytes_out`` are body bytes to the client, ``bytes_in`` from it.
    """

    get: int = 0
    head: int = 0
    list: int = 0
    put: int = 0
    delete: int = 0
    other: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    errors: int = 0

    def __sub__(self, other: S3Counters) -> S3Counters:
        return S3Counters(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    @property
    def requests(self) -> int:
        """All requests."""
        return self.get + self.head + self.list + self.put + self.delete + self.other

    @property
    def usd(self) -> float:
        """List price of the requests (S3 Standard, us-east-1): GET and HEAD 0.0004 a thousand, PUT and LIST 0.005."""
        return (self.get + self.head) * _USD_PER_READ + (self.put + self.list) * _USD_PER_WRITE
