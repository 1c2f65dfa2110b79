/* What the encoder remembers: its data, and the table object -> (pod, ordinal). */

/* What is known of the objects of one pod; `entries` of its Pod. */
typedef struct {
    PyObject_HEAD
    int64_t oid;
    uint64_t serial;
    uint64_t walk;    /* in which it was written; see _encoder_nesting.h */
    Py_ssize_t place; /* among that walk's pods */
    PyObject *exports;
    PyObject **keys;
    Py_ssize_t count, room;
    int doubtful; /* references may have been counted twice: it counts as exposed */
} PodState;

typedef struct {
    PyObject *key;   /* the object's address; owned if `strong` */
    PodState *state; /* owned */
    int64_t oid;
    uint32_t ordinal;
    uint32_t edges;
    uint8_t strong, immutable;
} Entry;

typedef struct {
    PyObject **keys;
    uint32_t *values;
    Py_ssize_t used, room; /* room: a power of two, or 0 */
} PointerMap;

#define PENDING_MOST (1 << 20)
#define AHEAD 12
#define RECENT 512 /* a power of two */
#define QUIET_LEAST 64

/* A shortcut to a writer's slots, by address. */
typedef struct {
    PyObject *text; /* borrowed from `slots` */
    uint64_t content;
    uint32_t slot;
} Recent;

/* A pod that a walk has opened. */
typedef struct {
    PyObject *pod;               /* borrowed */
    Py_ssize_t at, within, up;   /* see _encoder_nesting.h; -1: none */
} Place;

typedef struct {
    PodState *state;
    PyObject *pod, *streams, *blobs, *references, *needs;
    PyObject *pending; /* chunks that were cut and are not stored yet */
    size_t pending_bytes;
    PyObject *global_slots; /* (module, qualname) -> slot, of this chunk */
    PyObject *xrefs;        /* oid -> index */
    uint32_t *counts;
    Py_ssize_t counts_room;
    unsigned char *out;
    size_t size, room;
    uint64_t flushed, total;
    uint64_t content; /* of all atoms written, however they were: in full or as a reference */
    uint64_t next; /* ordinal */
    uint64_t *bases;
    Py_ssize_t bases_count, bases_room;
    uint64_t target;
    /* strings of this chunk, by content */
    PyObject **slots;
    Py_ssize_t slots_count, slots_room;
    uint32_t *slot_index;
    Py_ssize_t slot_mask;
    Recent *recent; /* RECENT of them, once there is one */
    PointerMap longs;
    Py_ssize_t outermost;   /* of the open pods, the first that it leads back to */
    Py_ssize_t first_frame; /* where its frames begin among those that are open */
    int final;              /* nothing below it is shown to the host */
    int64_t last_xref_oid;
    Py_ssize_t last_xref;
    PyObject *last_global; /* borrowed from the encoder's globals; valid in this chunk */
    Py_ssize_t last_global_slot;
} Writer;

enum {
    C_CALLABLE, C_ARGUMENTS, C_CALL, C_ITEMS, C_ITEMS_END, C_PAIRS, C_PAIRS_END, C_DICT, C_ATTRS, C_STATE, C_SETTER, C_END
};
enum { F_LIST, F_TUPLE, F_SET, F_FROZENSET, F_DICT, F_OBJECT, F_CALL };

typedef struct {
    PyObject *obj;     /* owned */
    PyObject *items;   /* owned: list or tuple that is walked */
    PyObject *dict;    /* owned: dict that is walked */
    PyObject *reduced; /* owned */
    PyObject *value;   /* owned: a pair's second half */
    Py_ssize_t at;     /* position in a list, tuple or (PyDict_Next) dict */
    Py_ssize_t done, count;
    uint64_t met;
    uint64_t start, content; /* where the item that is written began */
    uint8_t kind, stage, edge, remember, apart, after, item_edge;
} Frame;

/* An object that was written and is not in the table; see _encoder_once.h. */
typedef struct {
    PyObject *obj; /* owned */
    uint32_t ordinal, span;
} Once;

typedef struct {
    PyObject_HEAD
    PyObject *host, *name_space;
    PyObject *plain, *reduce, *order, *memory, *begin_pod, *is_apart, *put_chunks, *put_blob;
    PyObject *reach, *cells; /* pod.graph's classes */
    Py_ssize_t apart_least; /* containers of so many items are shown to the host */
    int shows_objects, shows;
    Entry *entries;
    Py_ssize_t entries_count, entries_room;
    int64_t free_entry; /* index + 1 */
    uint32_t *index;
    Py_ssize_t index_mask, index_used;
    PyObject *labels;      /* address -> (object, oid) */
    PyObject *plain_types; /* type -> bool */
    PyObject *globals;     /* address -> (object, (module, qualname)), of this save */
    PyObject *temporaries; /* list of what was taken apart in this save */
    PyObject *opaque;      /* list of object, holds, PodState, of this save */
    Writer *writers;
    Py_ssize_t writers_count, writers_room;
    uint64_t walk; /* number of the root that is being written */
    Place *places;
    Py_ssize_t places_count, places_room;
    Frame *frames;
    Py_ssize_t frames_count, frames_room;
    Py_ssize_t calls;       /* open frames of kind F_CALL */
    Py_ssize_t calls_limit; /* with so many, it is looked whether they would end */
    PyObject **journal;     /* objects that this root entered */
    Py_ssize_t journal_count, journal_room;
    PyObject **borrowed; /* objects of other pods, once for each reference from this root */
    Py_ssize_t borrowed_count, borrowed_room;
    Py_ssize_t temporaries_root, opaque_root, once_root; /* how long these were when this root was begun */
    Once *once; /* of this save */
    Py_ssize_t once_count, once_room;
    PodState **spans; /* owned: the pods that `once` speaks of */
    Py_ssize_t spans_count, spans_room;
    PointerMap once_index; /* address -> position in `once`, of the first `once_indexed` */
    Py_ssize_t once_indexed;
    PyObject *written; /* list of Pod, of this call */
    uint64_t serial;
    uint64_t met;     /* values that were no atoms */
    PointerMap quiet; /* lists of atoms alone, of this save */
    int64_t next_oid;
    PyTypeObject *last_type; /* borrowed from plain_types */
    int last_plain;
} Encoder;

#define TOP(e) (&(e)->writers[(e)->writers_count - 1])
#define EMPTY 0u
#define GONE 0xFFFFFFFFu

/* Growing arrays */

static int
grow(void **array, Py_ssize_t *room, Py_ssize_t needed, size_t item)
{
    Py_ssize_t wanted = *room ? *room : 16;
    while (wanted < needed) {
        wanted += wanted / 2 + 8;
    }
    void *bigger = PyMem_Realloc(*array, (size_t)wanted * item);
    if (!bigger) {
        PyErr_NoMemory();
        return -1;
    }
    *array = bigger;
    *room = wanted;
    return 0;
}

#define GROW(array, room, needed) \
    ((needed) <= (room) ? 0 : grow((void **)&(array), &(room), (needed), sizeof(*(array))))

static inline size_t
mix_pointer(const void *p)
{
    uint64_t h = (uint64_t)(uintptr_t)p >> 4;
    h *= MIX0;
    return (size_t)(h >> 20);
}

/* Pointer -> number */

static int
map_find(PointerMap *map, PyObject *key, uint32_t *value)
{
    if (!map->used) {
        return 0;
    }
    size_t mask = (size_t)map->room - 1;
    for (size_t at = mix_pointer(key) & mask; map->keys[at]; at = (at + 1) & mask) {
        if (map->keys[at] == key) {
            *value = map->values[at];
            return 1;
        }
    }
    return 0;
}

static int map_add(PointerMap *map, PyObject *key, uint32_t value);

static int
map_rebuild(PointerMap *map)
{
    PointerMap bigger = {NULL, NULL, 0, map->room ? map->room * 2 : 64};
    bigger.keys = PyMem_Calloc((size_t)bigger.room, sizeof(PyObject *));
    bigger.values = PyMem_Malloc((size_t)bigger.room * sizeof(uint32_t));
    if (!bigger.keys || !bigger.values) {
        PyMem_Free(bigger.keys);
        PyMem_Free(bigger.values);
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t at = 0; at < map->room; at++) {
        if (map->keys[at]) {
            map_add(&bigger, map->keys[at], map->values[at]);
        }
    }
    PyMem_Free(map->keys);
    PyMem_Free(map->values);
    *map = bigger;
    return 0;
}

/* The key's reference becomes the map's. */
static int
map_add(PointerMap *map, PyObject *key, uint32_t value)
{
    if (map->used * 2 >= map->room && map_rebuild(map) < 0) {
        return -1;
    }
    size_t mask = (size_t)map->room - 1;
    size_t at = mix_pointer(key) & mask;
    while (map->keys[at]) {
        at = (at + 1) & mask;
    }
    map->keys[at] = key;
    map->values[at] = value;
    map->used++;
    return 0;
}

static void
map_clear(PointerMap *map)
{
    PyObject **keys = map->keys;
    Py_ssize_t room = map->room;
    PyMem_Free(map->values);
    memset(map, 0, sizeof(*map));
    for (Py_ssize_t at = 0; at < room; at++) {
        Py_XDECREF(keys[at]);
    }
    PyMem_Free(keys);
}

/* PodState */

static void
state_dealloc(PodState *self)
{
    Py_XDECREF(self->exports);
    PyMem_Free(self->keys);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static Py_ssize_t
state_length(PodState *self)
{
    return self->count;
}

static PySequenceMethods state_sequence = {.sq_length = (lenfunc)state_length};

PyTypeObject PodState_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pod.kernel._kernel.PodState",
    .tp_basicsize = sizeof(PodState),
    .tp_dealloc = (destructor)state_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_as_sequence = &state_sequence,
    .tp_doc = "What the encoder knows of the objects of one pod.",
};

static PodState *
state_new(int64_t oid, uint64_t serial, PyObject *exports)
{
    PodState *state = PyObject_New(PodState, &PodState_Type);
    if (state) {
        state->oid = oid;
        state->walk = 0;
        state->place = 0;
        state->serial = serial;
        state->exports = Py_NewRef(exports);
        state->keys = NULL;
        state->count = state->room = 0;
        state->doubtful = 0;
    }
    return state;
}

/* The table of objects */

static Entry *
find(Encoder *e, PyObject *key)
{
    if (!e->index) {
        return NULL;
    }
    size_t mask = (size_t)e->index_mask;
    for (size_t at = mix_pointer(key) & mask; e->index[at] != EMPTY; at = (at + 1) & mask) {
        if (e->index[at] != GONE) {
            Entry *entry = &e->entries[e->index[at] - 1];
            if (entry->key == key) {
                return entry;
            }
        }
    }
    return NULL;
}

static int
rebuild_index(Encoder *e)
{
    Py_ssize_t room = 1024;
    while (room < e->entries_count * 3) {
        room *= 2;
    }
    uint32_t *index = PyMem_Calloc((size_t)room, sizeof(uint32_t));
    if (!index) {
        PyErr_NoMemory();
        return -1;
    }
    size_t mask = (size_t)room - 1;
    Py_ssize_t used = 0;
    for (Py_ssize_t i = 0; i < e->entries_count; i++) {
        if (e->entries[i].key) {
            size_t at = mix_pointer(e->entries[i].key) & mask;
            while (index[at] != EMPTY) {
                at = (at + 1) & mask;
            }
            index[at] = (uint32_t)i + 1;
            used++;
        }
    }
    PyMem_Free(e->index);
    e->index = index;
    e->index_mask = room - 1;
    e->index_used = used;
    return 0;
}

static Entry *
insert(Encoder *e, PyObject *key, PodState *state)
{
    Py_ssize_t number;
    if (e->free_entry) {
        number = (Py_ssize_t)e->free_entry - 1;
        e->free_entry = e->entries[number].oid;
    }
    else {
        if (GROW(e->entries, e->entries_room, e->entries_count + 1) < 0) {
            return NULL;
        }
        number = e->entries_count++;
        e->entries[number].key = NULL;
    }
    if ((!e->index || (e->index_used + 1) * 3 > e->index_mask * 2) && rebuild_index(e) < 0) {
        e->entries[number].key = NULL;
        e->entries[number].oid = e->free_entry;
        e->free_entry = number + 1;
        return NULL;
    }
    size_t mask = (size_t)e->index_mask;
    size_t at = mix_pointer(key) & mask;
    while (e->index[at] != EMPTY) {
        at = (at + 1) & mask;
    }
    e->index[at] = (uint32_t)number + 1;
    e->index_used++;
    Entry *entry = &e->entries[number];
    entry->key = Py_NewRef(key);
    entry->state = (PodState *)Py_NewRef((PyObject *)state);
    entry->oid = 0;
    entry->ordinal = 0;
    entry->edges = 0;
    entry->strong = 1;
    entry->immutable = 0;
    return entry;
}

/* Take an entry out of the table. Its references are released at the end, for that may run any code. */
static void
take_out(Encoder *e, Entry *entry)
{
    size_t mask = (size_t)e->index_mask;
    uint32_t number = (uint32_t)(entry - e->entries) + 1;
    size_t at = mix_pointer(entry->key) & mask;
    while (e->index[at] != number) {
        at = (at + 1) & mask;
    }
    e->index[at] = GONE;
    PyObject *obj = entry->strong ? entry->key : NULL;
    PodState *state = entry->state;
    entry->key = NULL;
    entry->state = NULL;
    entry->oid = e->free_entry;
    e->free_entry = number;
    Py_XDECREF((PyObject *)state);
    Py_XDECREF(obj);
}

static int
add_label(Encoder *e, PyObject *obj, int64_t oid)
{
    PyObject *key = PyLong_FromVoidPtr(obj);
    PyObject *label = key ? Py_BuildValue("(OL)", obj, (long long)oid) : NULL;
    int result = label ? PyDict_SetItem(e->labels, key, label) : -1;
    Py_XDECREF(key);
    Py_XDECREF(label);
    return result;
}

/* The oid that a label gives an object, 0 without one, -1 on error. */
static int64_t
label_of(Encoder *e, PyObject *obj, int take)
{
    if (!PyDict_GET_SIZE(e->labels)) {
        return 0;
    }
    PyObject *key = PyLong_FromVoidPtr(obj);
    if (!key) {
        return -1;
    }
    int64_t oid = 0;
    PyObject *label = PyDict_GetItemWithError(e->labels, key);
    if (label) {
        oid = PyLong_AsLongLong(PyTuple_GET_ITEM(label, 1));
        if (take && PyDict_DelItem(e->labels, key) < 0) {
            oid = -1;
        }
    }
    else if (PyErr_Occurred()) {
        oid = -1;
    }
    Py_DECREF(key);
    return oid;
}

/* Forget the objects of a pod; remember as labels those with an oid. */
static int
forget_pod(Encoder *e, PyObject *pod, int label)
{
    PyObject *found = PyObject_GetAttrString(pod, "entries");
    if (!found) {
        return -1;
    }
    if (Py_TYPE(found) == &PodState_Type) {
        PodState *state = (PodState *)found;
        for (Py_ssize_t i = 0; i < state->count; i++) {
            Entry *entry = find(e, state->keys[i]);
            if (entry && entry->state == state) {
                if (label && entry->oid && add_label(e, entry->key, entry->oid) < 0) {
                    Py_DECREF(found);
                    return -1;
                }
                take_out(e, entry);
            }
        }
        state->count = 0;
    }
    Py_DECREF(found);
    PyObject *nothing = PyTuple_New(0);
    int result = nothing ? PyObject_SetAttrString(pod, "entries", nothing) : -1;
    Py_XDECREF(nothing);
    return result;
}
