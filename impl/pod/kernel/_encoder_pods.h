/* Open pods: their bytes, their chunks, and references to what is known. */

/* Bytes */

static inline unsigned char *
reserve(Writer *w, size_t more)
{
    if (w->size + more > w->room) {
        size_t room = w->room ? w->room : 256;
        while (room < w->size + more) {
            room *= 2;
        }
        unsigned char *bigger = PyMem_Realloc(w->out, room);
        if (!bigger) {
            PyErr_NoMemory();
            return NULL;
        }
        w->out = bigger;
        w->room = room;
    }
    return w->out + w->size;
}

static inline int
emit(Writer *w, int opcode)
{
    unsigned char *to = reserve(w, 1);
    if (!to) {
        return -1;
    }
    *to = (unsigned char)opcode;
    w->size++;
    return 0;
}

static inline int
emit_number(Writer *w, int opcode, uint64_t number)
{
    unsigned char *to = reserve(w, 11);
    if (!to) {
        return -1;
    }
    unsigned char *begin = to;
    if (opcode >= 0) {
        *to++ = (unsigned char)opcode;
    }
    while (number > 0x7F) {
        *to++ = (unsigned char)(number & 0x7F) | 0x80;
        number >>= 7;
    }
    *to++ = (unsigned char)number;
    w->size += (size_t)(to - begin);
    return 0;
}

static inline int
emit_bytes(Writer *w, const void *data, size_t size)
{
    unsigned char *to = reserve(w, size);
    if (!to) {
        return -1;
    }
    memcpy(to, data, size);
    w->size += size;
    return 0;
}

/* Chunks */

static void
clear_slots(Writer *w)
{
    for (Py_ssize_t i = 0; i < w->slots_count; i++) {
        Py_DECREF(w->slots[i]);
    }
    if (w->recent && w->slots_count) {
        memset(w->recent, 0, RECENT * sizeof(Recent));
    }
    w->slots_count = 0;
    if (w->slot_index) {
        memset(w->slot_index, 0, (size_t)(w->slot_mask + 1) * sizeof(uint32_t));
    }
}

/* Hand over the chunks that were cut: many at once cost the host less. */
static int
store_chunks(Encoder *e, Writer *w)
{
    if (!PyList_GET_SIZE(w->pending)) {
        return 0;
    }
    PyObject *digests = PyObject_CallOneArg(e->put_chunks, w->pending);
    int result = digests ? PyList_SetSlice(w->streams, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, digests) : -1;
    Py_XDECREF(digests);
    w->pending_bytes = 0;
    return result < 0 ? -1 : PyList_SetSlice(w->pending, 0, PY_SSIZE_T_MAX, NULL);
}

static int
flush(Encoder *e, Writer *w)
{
    if (w->size) {
        PyObject *data = PyBytes_FromStringAndSize((char *)w->out, (Py_ssize_t)w->size);
        int failed = !data || PyList_Append(w->pending, data) < 0;
        Py_XDECREF(data);
        w->pending_bytes += w->size;
        if (failed || (w->pending_bytes >= PENDING_MOST && store_chunks(e, w) < 0)) {
            return -1;
        }
        w->total += w->size;
        w->flushed += w->size;
        w->size = 0;
    }
    if (GROW(w->bases, w->bases_room, w->bases_count + 1) < 0) {
        return -1;
    }
    w->bases[w->bases_count++] = w->next;
    clear_slots(w);
    PyDict_Clear(w->global_slots);
    w->last_global = NULL;
    return 0;
}

static void
aim(Encoder *e, Writer *w)
{
    uint64_t guess = w->flushed + w->size;
    int known = 0;
    for (Py_ssize_t i = w->first_frame; i < e->frames_count; i++) {
        Frame *f = &e->frames[i];
        if (f->count >= 8 && f->done) {
            known = 1;
            /* 2^40 times 2^33 would overflow: a container of more items counts as one of 2^23 */
            unsigned __int128 product = (unsigned __int128)guess * (uint64_t)f->count / (uint64_t)f->done;
            guess = product > ((uint64_t)1 << 40) ? (uint64_t)1 << 40 : (uint64_t)product;
        }
    }
    if (!known || guess >= LARGE) {
        w->target = TARGET_LARGE;
    }
    else {
        w->target = TARGET_LEAST;
        while (w->target * 2 <= guess / CHUNKS) {
            w->target *= 2;
        }
    }
}

/* The first 8 bytes, little-endian, or as many as there are. Loaded by halves that overlap, for a copy of unknown size
   into a word cannot be read again until it has left the store buffer. */
static inline uint64_t
word(const unsigned char *data, size_t size)
{
    if (size >= 8) {
        uint64_t value;
        memcpy(&value, data, 8);
#if PY_BIG_ENDIAN
        value = __builtin_bswap64(value);
#endif
        return value;
    }
    if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, data, 4);
        memcpy(&last, data + size - 4, 4);
#if PY_BIG_ENDIAN
        first = __builtin_bswap32(first);
        last = __builtin_bswap32(last);
#endif
        return first | (uint64_t)last << 8 * (size - 4);
    }
    if (size) {
        size_t middle = size / 2, end = size - 1;
        return data[0] | (uint64_t)data[middle] << 8 * middle | (uint64_t)data[end] << 8 * end;
    }
    return 0;
}

/* A number that stands for bytes: for their first and last 16 and their length. */
static inline uint64_t
content_of(const void *bytes, size_t size)
{
    const unsigned char *data = bytes;
    const unsigned char *tail = size > 16 ? data + size - 16 : data;
    size_t part = size > 16 ? 16 : size;
    size_t rest = part > 8 ? part - 8 : 0;
    uint64_t h = word(data, part) * MIX0 + word(data + 8, rest) * MIX1 + word(tail, part) * MIX2 +
                 word(tail + 8, rest) * MIX3 + (uint64_t)size * MIX0;
    return (h ^ h >> 29) * MIX1;
}

static inline uint64_t
content_of_number(uint64_t bits)
{
    bits *= MIX2;
    return (bits ^ bits >> 29) * MIX1;
}

/* Whether a chunk of `size` ends with an item of `length`; one whose atoms say nothing never ends one. */
static inline int
cuts(uint64_t content, uint64_t length, uint64_t size, uint64_t target)
{
    if (length >= target) {
        return 1;
    }
    uint64_t mixed = (content ^ content >> 31) * MIX3;
    uint64_t ease = size < 2 * target ? 1 : size < 3 * target ? 4 : 16;
    return content && (mixed >> 32) * target < (length * ease) << 32;
}

static inline void
begin_item(Encoder *e, Frame *f)
{
    Writer *w = TOP(e);
    f->start = w->flushed + w->size;
    f->content = w->content;
}

/* End the chunk after a frame's item if the item says so. */
static inline int
boundary(Encoder *e, Frame *f)
{
    Writer *w = TOP(e);
    if (!w->target) {
        if (w->flushed + w->size < TARGET_LEAST) {
            return 0;
        }
        aim(e, w);
    }
    uint64_t target = w->target;
    while (target > TARGET_LEAST && w->flushed < HEAD * target) {
        target /= 2;
    }
    if (w->size * 4 < target) {
        return 0;
    }
    uint64_t length = w->size - (f->start > w->flushed ? f->start - w->flushed : 0);
    if (cuts(w->content - f->content, length, w->size, target) || w->size >= 8 * target ||
        (w->size >= 4 * target && (f->done % ALIGNED == 0 || length * ALIGNED >= target))) {
        return flush(e, w);
    }
    return 0;
}

/* Pods */

static int
set_number(PyObject *obj, const char *name, uint64_t value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    int result = number ? PyObject_SetAttrString(obj, name, number) : -1;
    Py_XDECREF(number);
    return result;
}

#include "_encoder_nesting.h"

/* Begin a pod whose root is that of the innermost frame, or, without one, a variable's. */
static Writer *
open_pod(Encoder *e, PyObject *root, int64_t oid, int final)
{
    if (GROW(e->writers, e->writers_room, e->writers_count + 1) < 0) {
        return NULL;
    }
    if (!oid) {
        oid = e->next_oid++;
    }
    Writer *w = &e->writers[e->writers_count];
    memset(w, 0, sizeof(*w));
    w->outermost = PY_SSIZE_T_MAX;
    w->first_frame = e->frames_count ? e->frames_count - 1 : 0;
    w->final = final;
    w->pod = PyObject_CallFunction(pod_class, "LK", (long long)oid, (unsigned long long)e->serial);
    if (!w->pod) {
        return NULL;
    }
    PyObject *exports = PyObject_GetAttrString(w->pod, "exports");
    w->streams = PyObject_GetAttrString(w->pod, "streams");
    w->blobs = PyObject_GetAttrString(w->pod, "blobs");
    w->references = PyObject_GetAttrString(w->pod, "references");
    w->needs = PyObject_GetAttrString(w->pod, "needs");
    w->pending = PyList_New(0);
    w->global_slots = PyDict_New();
    w->xrefs = PyDict_New();
    w->state = exports ? state_new(oid, e->serial, exports) : NULL;
    Py_XDECREF(exports);
    int failed = w->state && nest_open(e, w->state, w->pod) < 0;
    e->writers_count++; /* from here on `drop_writer` frees it */
    if (failed || !w->streams || !w->blobs || !w->references || !w->needs || !w->pending || !w->global_slots || !w->xrefs || !w->state ||
        PyObject_SetAttrString(w->pod, "entries", (PyObject *)w->state) < 0 ||
        GROW(w->bases, w->bases_room, 1) < 0) {
        return NULL;
    }
    w->bases[0] = 0;
    w->bases_count = 1;
    if (e->shows && !final) {
        PyObject *depth = PyLong_FromSsize_t(e->writers_count - 1);
        PyObject *arguments[] = {root, depth};
        PyObject *nothing = depth ? PyObject_Vectorcall(e->begin_pod, arguments, 2, NULL) : NULL;
        Py_XDECREF(depth);
        if (!nothing) {
            return NULL;
        }
        Py_DECREF(nothing);
    }
    return w;
}

static void
drop_writer(Encoder *e)
{
    Writer w = e->writers[--e->writers_count];
    clear_slots(&w);
    map_clear(&w.longs);
    PyMem_Free(w.recent);
    PyMem_Free(w.out);
    PyMem_Free(w.bases);
    PyMem_Free(w.slots);
    PyMem_Free(w.slot_index);
    PyMem_Free(w.counts);
    Py_XDECREF((PyObject *)w.state);
    Py_XDECREF(w.pod);
    Py_XDECREF(w.streams);
    Py_XDECREF(w.blobs);
    Py_XDECREF(w.references);
    Py_XDECREF(w.needs);
    Py_XDECREF(w.pending);
    Py_XDECREF(w.global_slots);
    Py_XDECREF(w.xrefs);
}

static int
close_pod(Encoder *e)
{
    Writer *w = TOP(e);
    if (flush(e, w) < 0 || store_chunks(e, w) < 0 || nest_close(e) < 0 || set_number(w->pod, "objects", w->next) < 0 ||
        set_number(w->pod, "size_bytes", w->total) < 0) {
        return -1;
    }
    Py_ssize_t references = PyList_GET_SIZE(w->references);
    PyObject *counts = PyList_New(references);
    if (!counts) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < references; i++) {
        PyObject *count = PyLong_FromUnsignedLong(w->counts[i]);
        if (!count) {
            Py_DECREF(counts);
            return -1;
        }
        PyList_SET_ITEM(counts, i, count);
    }
    int result = PyObject_SetAttrString(w->pod, "counts", counts);
    Py_DECREF(counts);
    if (result < 0 || PyList_Append(e->written, w->pod) < 0) {
        return -1;
    }
    drop_writer(e);
    return 0;
}

/* Objects that are known */

/* 1: known, *found is it; 0: not; -1: an error, or it is of a pod that was thought untouched. */
static inline int
known(Encoder *e, PyObject *obj, Entry **found)
{
    *found = find(e, obj);
    if (!*found) {
        return 0;
    }
    if ((*found)->state->serial != e->serial) {
        PyObject *oid = PyLong_FromLongLong((*found)->state->oid);
        if (oid) {
            PyErr_SetObject(stale_class, oid);
            Py_DECREF(oid);
        }
        return -1;
    }
    return 1;
}

static int
export_object(PyObject *exports, int64_t oid, uint32_t ordinal)
{
    PyObject *key = PyLong_FromLongLong(oid);
    PyObject *value = key ? PyLong_FromUnsignedLong(ordinal) : NULL;
    int result = value && PyDict_SetDefault(exports, key, value) ? 0 : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return result;
}

/* Give the next ordinal to an object; remember it unless it cannot be met again. *made may be NULL then. */
static int
enroll(Encoder *e, PyObject *obj, int remember, uint32_t edge, Entry **made)
{
    Writer *w = TOP(e);
    uint64_t ordinal = w->next++;
    *made = NULL;
    if (ordinal >= UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "a pod holds at most 4294967295 objects");
        return -1;
    }
    if (!remember) {
        return list_once(e, obj, w->state, (uint32_t)ordinal);
    }
    int64_t oid = label_of(e, obj, 0);
    if (oid < 0 || GROW(e->journal, e->journal_room, e->journal_count + 1) < 0 ||
        GROW(w->state->keys, w->state->room, w->state->count + 1) < 0) {
        return -1;
    }
    Entry *entry = insert(e, obj, w->state);
    if (!entry) {
        return -1;
    }
    e->journal[e->journal_count++] = obj;
    w->state->keys[w->state->count++] = obj;
    entry->ordinal = (uint32_t)ordinal;
    entry->edges = edge;
    entry->oid = oid;
    *made = entry;
    if (oid && (export_object(w->state->exports, oid, (uint32_t)ordinal) < 0 || label_of(e, obj, 1) < 0)) {
        return -1;
    }
    return 0;
}

static int
name_entry(Encoder *e, Entry *entry)
{
    if (!entry->oid) {
        entry->oid = e->next_oid++;
    }
    return export_object(entry->state->exports, entry->oid, entry->ordinal);
}

static int
refer_within(Writer *w, uint64_t ordinal)
{
    Py_ssize_t last = w->bases_count - 1;
    if (ordinal >= w->bases[last]) {
        return emit_number(w, OP_REF, ordinal - w->bases[last]);
    }
    Py_ssize_t low = 0, high = last;
    while (low < high) { /* the last chunk that begins at or before the ordinal */
        Py_ssize_t middle = (low + high) / 2;
        if (w->bases[middle] <= ordinal) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    Py_ssize_t chunk = low - 1;
    if (emit_number(w, OP_REFB, (uint64_t)(last - chunk)) < 0) {
        return -1;
    }
    return emit_number(w, -1, ordinal - w->bases[chunk]);
}

static int
refer(Encoder *e, Entry *entry)
{
    Writer *w = TOP(e);
    if (entry->state == w->state) {
        return refer_within(w, entry->ordinal);
    }
    if (entry->oid && entry->oid == w->last_xref_oid) {
        w->counts[w->last_xref]++;
        return emit_number(w, OP_XREF, (uint64_t)w->last_xref);
    }
    if (name_entry(e, entry) < 0) {
        return -1;
    }
    nest_refer(e, entry->state);
    PyObject *oid = PyLong_FromLongLong(entry->oid);
    if (!oid) {
        return -1;
    }
    Py_ssize_t index;
    PyObject *found = PyDict_GetItemWithError(w->xrefs, oid);
    if (found) {
        index = PyLong_AsSsize_t(found);
    }
    else {
        index = PyList_GET_SIZE(w->references);
        PyObject *number = PyErr_Occurred() ? NULL : PyLong_FromSsize_t(index);
        int failed = !number || PyDict_SetItem(w->xrefs, oid, number) < 0 || PyList_Append(w->references, oid) < 0 ||
                     GROW(w->counts, w->counts_room, index + 1) < 0;
        Py_XDECREF(number);
        if (failed) {
            Py_DECREF(oid);
            return -1;
        }
        w->counts[index] = 0;
    }
    Py_DECREF(oid);
    w->counts[index]++;
    w->last_xref = index;
    w->last_xref_oid = entry->oid;
    return emit_number(w, OP_XREF, (uint64_t)index);
}
