/* The end of a save: references that the graph does not explain. */

/* finish */

#define FEW 8 /* what has more references is taken for a stranger's, too */
#define MET_MOST 64

typedef struct {
    Encoder *encoder;
    PyObject *pods;
    PyObject *reach;   /* a Reach, once it is needed */
    PodState *from;    /* the pod of the object that is explained */
    PyObject **pending;
    Py_ssize_t count, room;
    struct {
        PyObject *obj;
        Py_ssize_t times;
    } met[MET_MOST]; /* what several objects of one that is explained hold */
    Py_ssize_t met_count;
    PodState *last; /* the other pod that was asked about last, and whether `from` leads there */
    int there;
    Entry **others; /* of other pods than `from` */
    Py_ssize_t others_count, others_room;
} Explanation;

/* Note a reference that the object that is explained holds. */
static inline int
note_reference(Explanation *x, Entry *entry)
{
    if (entry->state == x->from || entry->immutable) {
        entry->edges++;
        return 0;
    }
    if (GROW(x->others, x->others_room, x->others_count + 1) < 0) {
        return -1;
    }
    x->others[x->others_count++] = entry;
    return 0;
}

/* Whether all references to an object that was met were followed. */
static inline int
is_its_alone(Explanation *x, PyObject *found)
{
    Py_ssize_t references = Py_REFCNT(found), at = 0;
    if (references <= 1) {
        return 1;
    }
    if (references > FEW) {
        return 0;
    }
    while (at < x->met_count && x->met[at].obj != found) {
        at++;
    }
    if (at == x->met_count) {
        if (at == MET_MOST) {
            return 0;
        }
        x->met[at].obj = found;
        x->met[at].times = 0;
        x->met_count++;
    }
    return ++x->met[at].times == references;
}

/* This runs while an object is traversed, when no Python code may. */
static int
visit_reference(PyObject *found, void *argument)
{
    Explanation *x = argument;
    if (is_atom(found)) {
        return 0;
    }
    Entry *entry = find(x->encoder, found);
    if (entry) {
        return note_reference(x, entry);
    }
    if (PyObject_IS_GC(found) && is_its_alone(x, found)) {
        if (GROW(x->pending, x->room, x->count + 1) < 0) {
            return -1;
        }
        x->pending[x->count++] = found;
    }
    return 0;
}

/* Count the references into other pods, if looking at `from` means looking at those too: a reference that is not stored
   (for what the object is reduced to lacks it) does not make one pod lead to another, so whoever follows it is a stranger. */
static int
count_others(Explanation *x)
{
    while (x->others_count) {
        Entry *entry = x->others[--x->others_count];
        if (entry->state != x->last) {
            if (!x->reach && !(x->reach = PyObject_CallOneArg(x->encoder->reach, x->pods))) {
                return -1;
            }
            x->last = entry->state;
            PyObject *answer = PyObject_CallFunction(x->reach, "LL", (long long)x->from->oid, (long long)entry->state->oid);
            x->there = answer ? PyObject_IsTrue(answer) : -1;
            Py_XDECREF(answer);
        }
        int there = x->there;
        if (there < 0) {
            return -1;
        }
        entry->edges += (uint32_t)there;
    }
    return 0;
}

static int
explain_one(Explanation *x, PyObject *obj, PyObject *holds)
{
    uint32_t ignored;
    x->met_count = 0;
    int in_list = PyList_Check(holds);
    if ((in_list || PyTuple_Check(holds)) && !map_find(&x->encoder->quiet, holds, &ignored)) {
        Py_ssize_t size = in_list ? PyList_GET_SIZE(holds) : PyTuple_GET_SIZE(holds);
        for (Py_ssize_t i = 0; i < size; i++) {
            PyObject *held = in_list ? PyList_GET_ITEM(holds, i) : PyTuple_GET_ITEM(holds, i);
            Entry *entry = is_atom(held) ? NULL : find(x->encoder, held);
            if (entry && note_reference(x, entry) < 0) {
                return -1;
            }
        }
    }
    for (;;) {
        if (PyObject_IS_GC(obj) && Py_TYPE(obj)->tp_traverse && Py_TYPE(obj)->tp_traverse(obj, visit_reference, x) < 0) {
            return -1;
        }
        if (!x->count) {
            return count_others(x);
        }
        obj = x->pending[--x->count];
    }
}

/* Count the references that opaque objects hold, directly and through what is theirs alone. */
static int
explain(Encoder *e, PyObject *pods)
{
    Explanation x = {.encoder = e, .pods = pods};
    int result = 0;
    for (Py_ssize_t i = 0; i + 2 < PyList_GET_SIZE(e->opaque) && result == 0; i += 3) {
        PodState *from = (PodState *)PyList_GET_ITEM(e->opaque, i + 2);
        if (from != x.from) {
            x.from = from;
            x.last = NULL;
        }
        result = explain_one(&x, PyList_GET_ITEM(e->opaque, i), PyList_GET_ITEM(e->opaque, i + 1));
    }
    Py_XDECREF(x.reach);
    PyMem_Free(x.pending);
    PyMem_Free(x.others);
    return result;
}

static int
count_outside(Encoder *e, PodState *state, PyObject *outside)
{
    if (!PyDict_GET_SIZE(outside)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < state->count; i++) {
        Entry *entry = find(e, state->keys[i]);
        if (entry && entry->state == state && entry->oid) {
            PyObject *oid = PyLong_FromLongLong(entry->oid);
            PyObject *count = oid ? PyDict_GetItemWithError(outside, oid) : NULL;
            if (count) {
                entry->edges += (uint32_t)PyLong_AsUnsignedLong(count);
            }
            Py_XDECREF(oid);
            if (PyErr_Occurred()) {
                return -1;
            }
        }
    }
    return 0;
}

/* Forget what was made to be written, and nobody holds any more but this list: who is met at its address is another. What is
   freed here may run any code. */
static int
forget_dead(Encoder *e, PyObject *released)
{
    Py_ssize_t size = PyList_GET_SIZE(released), freed;
    int backwards = 0;
    do {
        freed = 0;
        for (Py_ssize_t i = 0; i < size; i++) {
            Py_ssize_t at = backwards ? size - 1 - i : i;
            PyObject *obj = PyList_GET_ITEM(released, at);
            if (Py_REFCNT(obj) != 1 || obj == Py_None) {
                continue;
            }
            Entry *entry = find(e, obj);
            if (entry && !entry->strong) {
                take_out(e, entry);
            }
            if (PyList_SetItem(released, at, Py_NewRef(Py_None)) < 0) { /* what it held may be dead now, too */
                return -1;
            }
            freed++;
        }
        backwards = !backwards;
    } while (freed);
    return 0;
}

static PyObject *
encoder_finish(Encoder *e, PyObject *args)
{
    PyObject *written, *outside;
    if (!PyArg_ParseTuple(args, "OO!", &written, &PyDict_Type, &outside)) {
        return NULL;
    }
    PyObject *pods = PySequence_List(written);
    shorten_once(e, 0);
    e->once_root = e->temporaries_root = e->opaque_root = 0;
    e->borrowed_count = 0;
    if (!pods || explain(e, pods) < 0) {
        Py_XDECREF(pods);
        return NULL;
    }
    map_clear(&e->quiet);
    e->last_type = NULL;
    PyDict_Clear(e->plain_types);
    PyObject *temporaries = PyList_New(0), *released = PyList_New(0);
    int failed = !temporaries || !released || PyList_SetSlice(e->opaque, 0, PY_SSIZE_T_MAX, NULL) < 0;
    for (Py_ssize_t p = 0; p < PyList_GET_SIZE(pods) && !failed; p++) {
        PyObject *pod = PyList_GET_ITEM(pods, p);
        PyObject *found = PyObject_GetAttrString(pod, "entries");
        if (!found) {
            failed = 1;
            break;
        }
        int exposed = 0;
        if (Py_TYPE(found) == &PodState_Type) {
            PodState *state = (PodState *)found;
            failed = count_outside(e, state, outside) < 0;
            exposed = state->doubtful;
            for (Py_ssize_t i = 0; i < state->count && !exposed && !failed; i++) {
                Entry *entry = find(e, state->keys[i]);
                exposed = entry && entry->state == state && entry->strong && !entry->immutable &&
                          Py_REFCNT(entry->key) - 1 > (Py_ssize_t)entry->edges;
            }
        }
        failed = failed || PyObject_SetAttrString(pod, "exposed", exposed ? Py_True : Py_False) < 0;
        Py_DECREF(found);
    }
    for (Py_ssize_t i = 0; i < e->entries_count && !failed; i++) {
        Entry *entry = &e->entries[i];
        if (entry->key && entry->strong && !entry->oid) {
            failed = PyList_Append(released, entry->key) < 0;
            if (!failed) {
                entry->strong = 0;
                Py_DECREF(entry->key); /* `released` holds it until the table is whole */
            }
        }
    }
    Py_DECREF(pods);
    if (failed) {
        Py_XDECREF(temporaries);
        Py_XDECREF(released);
        return NULL;
    }
    int made = PyList_GET_SIZE(e->temporaries) > 0;
    Py_XSETREF(e->temporaries, temporaries);
    PyDict_Clear(e->globals);
    PyDict_Clear(e->labels);
    Py_CLEAR(e->written);
    failed = made && forget_dead(e, released) < 0;
    Py_DECREF(released);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}
