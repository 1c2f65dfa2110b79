/* Objects that were written and not remembered, for there was one reference to each when it was met.

   Only what takes an object apart can show such an object again: an iterator's `__reduce__` hands out what lies in the
   container that it goes through. So these objects are listed, which costs less than the table, and the list is searched
   only for what is handed out and has more references than who hands it out and one holder explain. What is
   listed is kept alive until the save ends, so an address means one object. */

static int all_immutable(Encoder *e, PyObject *items);

static inline int
list_once(Encoder *e, PyObject *obj, PodState *state, uint32_t ordinal)
{
    if (!e->spans_count || e->spans[e->spans_count - 1] != state) {
        if (GROW(e->spans, e->spans_room, e->spans_count + 1) < 0) {
            return -1;
        }
        e->spans[e->spans_count++] = (PodState *)Py_NewRef((PyObject *)state);
    }
    if (GROW(e->once, e->once_room, e->once_count + 1) < 0) {
        return -1;
    }
    Once *once = &e->once[e->once_count++];
    once->obj = Py_NewRef(obj);
    once->ordinal = ordinal;
    once->span = (uint32_t)(e->spans_count - 1);
    return 0;
}

/* Keep the first `kept` of the list only. */
static void
shorten_once(Encoder *e, Py_ssize_t kept)
{
    if (e->once_indexed > kept) {
        PyMem_Free(e->once_index.keys);
        PyMem_Free(e->once_index.values);
        memset(&e->once_index, 0, sizeof(e->once_index));
        e->once_indexed = 0;
    }
    while (e->once_count > kept) {
        PyObject *obj = e->once[--e->once_count].obj;
        Py_DECREF(obj);
    }
    if (!kept) {
        while (e->spans_count) {
            PodState *state = e->spans[--e->spans_count];
            Py_DECREF((PyObject *)state);
        }
        PyMem_Free(e->once);
        PyMem_Free(e->spans);
        e->once = NULL;
        e->spans = NULL;
        e->once_room = e->spans_room = 0;
    }
}

/* 1: the object was written, *found is its new entry; 0: it was not; -1: an error. */
static int
recall(Encoder *e, PyObject *obj, Entry **found)
{
    uint32_t at;
    for (; e->once_indexed < e->once_count; e->once_indexed++) {
        PyObject *key = e->once[e->once_indexed].obj;
        if (!map_find(&e->once_index, key, &at) && map_add(&e->once_index, key, (uint32_t)e->once_indexed) < 0) {
            return -1;
        }
    }
    if (!map_find(&e->once_index, obj, &at)) {
        return 0;
    }
    PodState *state = e->spans[e->once[at].span];
    int immutable = PyTuple_CheckExact(obj) ? all_immutable(e, obj) : 0;
    if (immutable < 0 || GROW(state->keys, state->room, state->count + 1) < 0 ||
        GROW(e->journal, e->journal_room, e->journal_count + 1) < 0) {
        return -1;
    }
    Entry *entry = insert(e, obj, state);
    if (!entry) {
        return -1;
    }
    entry->ordinal = e->once[at].ordinal;
    entry->edges = 1;
    entry->immutable = (uint8_t)immutable;
    state->keys[state->count++] = obj;
    if ((Py_ssize_t)at >= e->once_root) {
        e->journal[e->journal_count++] = obj;
    }
    *found = entry;
    return 1;
}
