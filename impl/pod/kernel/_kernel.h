/* What the encoder and the decoder share: opcodes (see pod/graph/_ops.py), byte order, and Python's types. */

#ifndef POD_KERNEL_H
#define POD_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum {
    OP_END = 0x00, OP_NONE, OP_TRUE, OP_FALSE, OP_ELLIPSIS, OP_NOT_IMPLEMENTED,
    OP_INT1, OP_INT2, OP_INT4, OP_INT8, OP_LONG, OP_FLOAT, OP_COMPLEX,
    OP_STR, OP_SREF, OP_BYTES, OP_BYTEARRAY, OP_BLOB, OP_BUFFER,
    OP_REF, OP_REFB, OP_XREF, OP_GLOBAL, OP_GREF, OP_NAMESPACE, OP_EMPTY_TUPLE,
    OP_LIST, OP_DICT, OP_SET, OP_TUPLE, OP_FROZENSET, OP_OBJECT,
    OP_REDUCE, OP_NEW, OP_NEW_EX, OP_CALL, OP_SAME,
    OP_STATE, OP_ATTRS, OP_DICT_STATE, OP_ITEMS, OP_PAIRS, OP_SETTER, OP_FILL, OP_FILL_INLINE,
    OP_COUNT,
    OP_SMALL = 0x80
};

#define SMALL_LEAST (-32)
#define SMALL_MOST 95
#define SLOT_LEAST 2
#define SLOT_MOST 32
#define BYTES_LEAST 32
#define BLOB_LEAST 32768
#define PIECE_MOST 65536 /* of a blob: pod.chunks.PIECE_BYTES */
#define TARGET_LEAST 4096
#define CHUNKS 128
#define LARGE (768 << 10)
#define TARGET_LARGE 32768
#define HEAD 4
#define ALIGNED 64
#define CALLS_LIMIT 16384
#define REPEATS_MOST 1000
#define MIX0 0x9E3779B97F4A7C15ULL
#define MIX1 0xC2B2AE3D27D4EB4FULL
#define MIX2 0x165667B19E3779F9ULL
#define MIX3 0xD6E8FEB86659FD93ULL

enum { BLOB_BYTES, BLOB_STR, BLOB_BYTEARRAY, BLOB_READ_ONLY, BLOB_WRITABLE };
enum { BY_NAME, BY_CALL, BY_NEW, BY_NEW_EX, BY_BUFFER };
enum { IMMUTABLE = 1, OWN_DICT = 2, APART = 4, STUB = 8 };
enum { BUNDLE, SPLIT, FINAL };

extern PyTypeObject PodState_Type;
extern PyTypeObject Encoder_Type;
extern PyTypeObject Decoder_Type;
extern PyObject *pod_class;
extern PyObject *stale_class;

#endif
