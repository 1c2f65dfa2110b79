"""What encoder, decoder and their host say to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

# Kinds of `Reduced`.
BY_NAME: Final = 0
BY_CALL: Final = 1
BY_NEW: Final = 2
BY_NEW_EX: Final = 3
BY_BUFFER: Final = 4

# Flags of `Reduced`.
IMMUTABLE: Final = 1  # nothing that a hidden reference could change
OWN_DICT: Final = 2  # `state` is the object's own __dict__
APART: Final = 4  # becomes a pod of its own
STUB: Final = 8  # stands for something, for this save only; never becomes a pod of its own

# What a host decides of an object that it is shown.
BUNDLE: Final = 0  # it lies in the pod that is being written
SPLIT: Final = 1  # it becomes a pod of its own
FINAL: Final = 2  # so it does, and nothing below it is shown


class Reduced(NamedTuple):
    """How an object is taken apart, as `__reduce_ex__(5)` says it, with what that protocol lacks.

    `holds` are objects to which the object holds one reference each that its type's traversal does not show;
    `names` are the variables of the namespace that the object needs; `fill`: its memory is written out as it
    lies, and filled again.
    """

    kind: int
    callable: Any = None  # BY_NAME: the module
    arguments: Any = ()  # BY_NAME: the qualname; BY_BUFFER: the buffer
    state: Any = None
    items: Any = None
    pairs: Any = None
    setter: Any = None
    fill: bool = False
    holds: Sequence[Any] = ()
    names: tuple[str, ...] = ()
    flags: int = 0


class Pod:
    """One pod: what was written of it, what it refers to, and which of its objects others refer to."""

    __slots__ = (
        "active",
        "blobs",
        "coat",
        "counts",
        "entries",
        "exports",
        "exposed",
        "needs",
        "objects",
        "oid",
        "references",
        "serial",
        "size_bytes",
        "streams",
        "within",
    )

    def __init__(self, oid: int, serial: int) -> None:
        self.oid = oid
        self.serial = serial
        self.active = True
        self.streams: list[bytes] = []
        self.blobs: list[tuple[int, list[bytes]]] = []
        self.references: list[int] = []
        self.counts: list[int] = []  # how often each of `references` is used
        self.exports: dict[int, int] = {}
        self.needs: set[str] = set()
        self.within: int | None = None
        self.exposed = False
        self.objects = 0
        self.size_bytes = 0
        self.coat = b""  # what its pieces wear in the store, which alone knows
        self.entries: Any = ()


class Host(Protocol):
    """What an encoder asks of the session that drives it."""

    def plain(self, cls: type) -> bool:
        """Say whether instances are nothing but their class and their `__dict__`."""

    def reduce(self, value: object, /) -> Reduced:
        """Take an object apart; what it raises is the reason why a variable cannot be saved."""

    def memory(self, value: object, /) -> memoryview:
        """Return the memory of an object that is reduced to it, flat."""

    def order(self, value: set[Any] | frozenset[Any], /) -> list[Any]:
        """Return a set's elements in an order that depends on their content."""

    def begin(self, root: object, depth: int, /) -> None:
        """Learn that a pod was begun, `depth` pods below a variable's, of which objects will be shown."""

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        """Say whether an object that was met becomes a pod of its own: BUNDLE, SPLIT or FINAL.

        It was met in a pod `depth` pods below a variable's, of which `held_bytes` are written.
        """

    def put_chunks(self, chunks: Sequence[bytes], /) -> list[bytes]:
        """Store chunks; return their digests."""

    def put_blob(self, data: Buffer, /) -> list[bytes]:
        """Store a large buffer; return its pieces' digests."""


class Source(Protocol):
    """What a decoder asks of the store that it reads from."""

    def blob(self, digests: Sequence[bytes], length: int, /) -> memoryview:
        """Return a large buffer's bytes in new writable memory."""

    def blob_into(self, digests: Sequence[bytes], target: memoryview, /) -> None:
        """Read a large buffer's bytes into memory that is there."""

    def memory(self, value: object, /) -> memoryview:
        """Return the memory of an object that FILL fills, flat."""

    def by_name(self, module: str, qualname: str, /) -> object:
        """Find what a GLOBAL names."""


class StaleMet(Exception):
    """The encoder met an object of a pod that was thought untouched; `args[0]` is the pod's oid."""
