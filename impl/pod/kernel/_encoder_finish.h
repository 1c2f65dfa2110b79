/* The end of a save: references that the graph does not explain. */

/* finish */

typedef struct {
    Encoder *encoder;
    PyObject **pending;
    Py_ssize_t count, room;
    int failed;
} Explanation;

static int
visit_reference(PyObject *found, void *argument)
{
    Explanation *x = argument;
    if (is_atom(found)) {
        return 0;
    }
    Entry *entry = find(x->encoder, found);
    if (entry) {
        entry->edges++;
    }
    else if (Py_REFCNT(found) == 1 && PyObject_IS_GC(found)) {
        if (GROW(x->pending, x->room, x->count + 1) < 0) {
            x->failed = 1;
            return 1;
        }
        x->pending[x->count++] = found;
    }
    return 0;
}

/* Count the references that opaque objects hold, directly and through what is theirs alone. */
static int
explain(Encoder *e)
{
    Explanation x = {e, NULL, 0, 0, 0};
    for (Py_ssize_t i = 0; i + 1 < PyList_GET_SIZE(e->opaque) && !x.failed; i += 2) {
        PyObject *holds = PyList_GET_ITEM(e->opaque, i + 1);
        uint32_t ignored;
        Py_ssize_t size = map_find(&e->quiet, holds, &ignored) ? 0
                          : PyTuple_Check(holds)               ? PyTuple_GET_SIZE(holds)
                          : PyList_Check(holds)                ? PyList_GET_SIZE(holds)
                                                               : 0;
        for (Py_ssize_t j = 0; j < size; j++) {
            PyObject *held = PyTuple_Check(holds) ? PyTuple_GET_ITEM(holds, j) : PyList_GET_ITEM(holds, j);
            Entry *entry = is_atom(held) ? NULL : find(e, held);
            if (entry) {
                entry->edges++;
            }
        }
        PyObject *next = PyList_GET_ITEM(e->opaque, i);
        for (;;) {
            if (PyObject_IS_GC(next) && Py_TYPE(next)->tp_traverse) {
                Py_TYPE(next)->tp_traverse(next, visit_reference, &x);
            }
            if (x.failed || !x.count) {
                break;
            }
            next = x.pending[--x.count];
        }
    }
    PyMem_Free(x.pending);
    return x.failed ? -1 : 0;
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

static PyObject *
encoder_finish(Encoder *e, PyObject *args)
{
    PyObject *written, *outside;
    if (!PyArg_ParseTuple(args, "OO!", &written, &PyDict_Type, &outside)) {
        return NULL;
    }
    PyObject *pods = PySequence_List(written);
    if (!pods || explain(e) < 0) {
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
    Py_XSETREF(e->temporaries, temporaries);
    PyDict_Clear(e->globals);
    PyDict_Clear(e->labels);
    Py_CLEAR(e->written);
    Py_DECREF(released);
    Py_RETURN_NONE;
}
