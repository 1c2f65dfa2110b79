"""The bytes of a pod's stream: one byte of opcode, then its operands.

A stream is read from left to right by a machine with a stack of frames. An opcode delivers a value to the innermost frame
or opens a frame that delivers one when it ends. Nothing carries a count or a position in the stream, so an insertion
leaves the bytes after it as they are. A *varint* is LEB128; all else is little-endian.

Numbering. Whatever is not an atom gets the next **ordinal** of its pod: a list, dict, set, bytearray when it is opened, the
rest when it is built. Strings of 33 bytes or more, and bytes of 32 or more, have one too. Strings of 2 to 32 bytes
have a **slot**, and globals have one of their own kind; slots, and the ordinals in `REF`, count from the chunk's start.

::

    END                         ends LIST, DICT, SET, TUPLE, FROZENSET, OBJECT, REDUCE and the parts ATTRS, ITEMS, PAIRS
    NONE TRUE FALSE ELLIPSIS NOT_IMPLEMENTED
    INT1 INT2 INT4 INT8         signed; 0x80..0xff are the ints -32..95
    LONG n bytes                signed
    FLOAT 8, COMPLEX 16
    STR n utf-8 | SREF slot     surrogates pass
    BYTES n data
    BYTEARRAY n data
    BLOB kind n                 the pod's next blob: bytes, str, bytearray, a read-only or a writable buffer
    BUFFER writable n data      an out-of-band buffer of pickle's protocol 5 that is small
    REF ordinal | REFB back ordinal     an object of this chunk; of the chunk `back` before
    XREF index                  the object that the pod's references list at that index
    GLOBAL n module n qualname | GREF slot      an empty qualname: the module itself
    NAMESPACE                   the namespace that is loaded
    EMPTY_TUPLE
    LIST values.. END           DICT (key value).. END          SET values.. END
    TUPLE values.. END|SAME     FROZENSET values.. END|SAME
    OBJECT class [SAME ref] ((key value).. | DICT_STATE dict) END
    REDUCE callable arguments.. (CALL|SAME ref) part.. END
    NEW class arguments.. (CALL|SAME ref) part.. END
    NEW_EX class arguments-tuple keywords-dict (CALL|SAME ref) part.. END
      part: STATE value | ATTRS (key value).. END | DICT_STATE dict | ITEMS values.. END | PAIRS (key value).. END |
            SETTER callable state | FILL n (the pod's next blob) | FILL_INLINE n data
    SAME ref                    what the frame has built is there already: an object of a cycle, built further inside
"""

from __future__ import annotations

from typing import Final

END: Final = 0x00
NONE: Final = 0x01
TRUE: Final = 0x02
FALSE: Final = 0x03
ELLIPSIS: Final = 0x04
NOT_IMPLEMENTED: Final = 0x05
INT1: Final = 0x06
INT2: Final = 0x07
INT4: Final = 0x08
INT8: Final = 0x09
LONG: Final = 0x0A
FLOAT: Final = 0x0B
COMPLEX: Final = 0x0C
STR: Final = 0x0D
SREF: Final = 0x0E
BYTES: Final = 0x0F
BYTEARRAY: Final = 0x10
BLOB: Final = 0x11
BUFFER: Final = 0x12
REF: Final = 0x13
REFB: Final = 0x14
XREF: Final = 0x15
GLOBAL: Final = 0x16
GREF: Final = 0x17
NAMESPACE: Final = 0x18
EMPTY_TUPLE: Final = 0x19
LIST: Final = 0x1A
DICT: Final = 0x1B
SET: Final = 0x1C
TUPLE: Final = 0x1D
FROZENSET: Final = 0x1E
OBJECT: Final = 0x1F
REDUCE: Final = 0x20
NEW: Final = 0x21
NEW_EX: Final = 0x22
CALL: Final = 0x23
SAME: Final = 0x24
STATE: Final = 0x25
ATTRS: Final = 0x26
DICT_STATE: Final = 0x27
ITEMS: Final = 0x28
PAIRS: Final = 0x29
SETTER: Final = 0x2A
FILL: Final = 0x2B
FILL_INLINE: Final = 0x2C
SMALL: Final = 0x80

SMALL_LEAST: Final = -32
SMALL_MOST: Final = 95
SLOT_LEAST: Final = 2
SLOT_MOST: Final = 32  # bytes of utf-8
BYTES_LEAST: Final = 32  # shorter bytes have no ordinal
BLOB_LEAST: Final = 32768  # bytes from here on are stored beside the stream

BLOB_BYTES: Final = 0
BLOB_STR: Final = 1
BLOB_BYTEARRAY: Final = 2
BLOB_READ_ONLY: Final = 3
BLOB_WRITABLE: Final = 4

# How large chunks are meant to be, in bytes: small enough that a small change costs little of the pod, large enough that
# there are few of them.
TARGET_LEAST: Final = 4096
CHUNKS: Final = 128  # of a pod that is smaller than `LARGE`
LARGE: Final = 768 << 10
TARGET_LARGE: Final = (
    32768  # also of a pod whose size cannot be guessed; smaller ones are hashed at half the speed
)
HEAD: Final = (
    4  # chunks near a pod's head are smaller: as long as less than so many times the target was written
)
CALLS_LIMIT: Final = 16384  # reduced objects within each other, before it is looked whether that ends
REPEATS_MOST: Final = 1000  # times that one of them may be among them then
ALIGNED: Final = 64  # where content says nothing, chunks end at multiples of so many items
MIX: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
