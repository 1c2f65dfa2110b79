/* Keys that may lack state

   A key's `__hash__` may ask for attributes that the key does not have yet: it, or what it holds, is part of a cycle
   that is still being read. Its container takes it as well as it can, and again when the pod is read to its end.
   Whether what is delivered hangs on an object that is not finished is told as in Tarjan's search for strong
   components: a reference to one leaves its frame's index in the frame it is read in, and the least of them moves
   outward with what ends. One in another pod, within which this one is read, counts as outside of all frames. */

/* List a set's or dict's items as long as they are sound; from here on each is added to the list. */
static int
begin_late(Frame *f)
{
    f->late = f->kind == OP_DICT ? PyDict_Items(f->obj) : PySequence_List(f->obj);
    return f->late ? 0 : -1;
}

/* What is delivered next hangs on a frame that is open. */
static void
hangs_on(Decoder *d, Py_ssize_t index)
{
    Frame *f = &d->frames[d->frames_count - 1];
    if (index < f->needs) {
        f->needs = index;
    }
    if (!f->key) {
        f->hangs = 1;
    }
}

/* End the innermost frame; what it built is delivered next. */
static void
close_frame(Decoder *d)
{
    Py_ssize_t needs = d->frames[d->frames_count - 1].needs;
    drop_frame(d);
    if (d->frames_count && needs < d->frames_count) {
        hangs_on(d, needs);
    }
}

/* An object that is there already is delivered next. */
static void
refer(Decoder *d, Py_ssize_t ordinal)
{
    Py_ssize_t index = 0, end = d->frames_count; /* then the first frame that was opened after the object was made */
    while (index < end) {
        Py_ssize_t middle = index + (end - index) / 2;
        if (d->frames[middle].first <= ordinal) {
            index = middle + 1;
        }
        else {
            end = middle;
        }
    }
    if (index--) {
        Frame *f = &d->frames[index];
        Py_ssize_t needs = f->obj == d->objects[ordinal] ? index : f->needs;
        if (needs != NOTHING) {
            hangs_on(d, needs);
        }
    }
}

static int
hash_needs_state(PyObject *key)
{
    return Py_TYPE(key)->tp_hash != PyBaseObject_Type.tp_hash && !PyUnicode_CheckExact(key) && !PyBytes_CheckExact(key);
}

/* Give a set or dict an item; what it cannot take yet, it is given in the end. */
static int
give(Decoder *d, PyObject *key, PyObject *value)
{
    Frame *f = &d->frames[d->frames_count - 1];
    if (f->hangs && !f->late && hash_needs_state(key) && begin_late(f) < 0) {
        return -1;
    }
    f->hangs = 0;
    PyObject *obj = Py_NewRef(f->obj);
    int failed = !value    ? PySet_Add(obj, key) < 0
                 : f->late ? !PyDict_SetDefault(obj, key, value) /* keys that are not equal in the end may be now */
                           : PyDict_SetItem(obj, key, value) < 0;
    Py_DECREF(obj);
    f = &d->frames[d->frames_count - 1];
    if (failed) {
        if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear();
        if (!f->late && begin_late(f) < 0) {
            return -1;
        }
    }
    if (!f->late) {
        return 0;
    }
    PyObject *item = value ? PyTuple_Pack(2, key, value) : Py_NewRef(key);
    int result = item ? PyList_Append(f->late, item) : -1;
    Py_XDECREF(item);
    return result;
}

/* Look at a container in the end. */
static int
put_off(Decoder *d, PyObject *container, PyObject *items)
{
    if (!d->late && !(d->late = PyList_New(0))) {
        return -1;
    }
    PyObject *entry = PyTuple_Pack(2, container, items);
    int result = entry ? PyList_Append(d->late, entry) : -1;
    Py_XDECREF(entry);
    return result;
}

static int
add_all(PyObject *set, PyObject *items)
{
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && result == 0; i++) {
        result = PySet_Add(set, PyList_GET_ITEM(items, i));
    }
    return result;
}

/* A frozenset is made only once: see whether its members have the hashes that they had then. */
static int
check_frozen(PyObject *made, PyObject *members)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(members); i++) {
        int found = PySet_Contains(made, PyTuple_GET_ITEM(members, i));
        if (found <= 0) {
            return found < 0 ? -1 : broken("a frozenset is part of what the hash of its members depends on");
        }
    }
    return 0;
}

/* Hash a container's keys again. What code has added to it meanwhile stays. */
static int
settle(PyObject *container, PyObject *items)
{
    if (PyFrozenSet_CheckExact(container)) {
        return check_frozen(container, items);
    }
    int is_dict = PyDict_CheckExact(container);
    PyObject *now = is_dict ? PyDict_Items(container) : PySequence_List(container);
    if (!now) {
        return -1;
    }
    int result;
    if (is_dict) {
        PyDict_Clear(container);
        result = PyDict_MergeFromSeq2(container, items, 1) < 0 ? -1 : PyDict_MergeFromSeq2(container, now, 1);
    }
    else {
        result = PySet_Clear(container) < 0 || add_all(container, items) < 0 ? -1 : add_all(container, now);
    }
    Py_DECREF(now);
    return result;
}

static int
settle_late(Decoder *d)
{
    PyObject *late = d->late;
    d->late = NULL;
    int result = 0;
    for (Py_ssize_t i = 0; late && i < PyList_GET_SIZE(late) && result == 0; i++) {
        PyObject *entry = PyList_GET_ITEM(late, i);
        result = settle(PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1));
    }
    Py_XDECREF(late);
    return result;
}
