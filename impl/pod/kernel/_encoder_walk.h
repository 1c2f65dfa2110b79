/* The walk: what is pushed, and how frames go through items and pairs. */

static inline int
has_weak_references(PyObject *obj)
{
    Py_ssize_t offset = Py_TYPE(obj)->tp_weaklistoffset;
    return offset && *(PyObject **)((char *)obj + offset) != NULL;
}

static int
is_plain(Encoder *e, PyTypeObject *type)
{
    if (type == e->last_type) {
        return e->last_plain;
    }
    PyObject *found = PyDict_GetItemWithError(e->plain_types, (PyObject *)type);
    if (!found) {
        if (PyErr_Occurred()) {
            return -1;
        }
        PyObject *answer = PyObject_CallOneArg(e->plain, (PyObject *)type);
        int failed = !answer || PyDict_SetItem(e->plain_types, (PyObject *)type, answer) < 0;
        Py_XDECREF(answer);
        if (failed) {
            return -1;
        }
        found = PyDict_GetItemWithError(e->plain_types, (PyObject *)type);
        if (!found) {
            return -1;
        }
    }
    e->last_type = type;
    e->last_plain = PyObject_IsTrue(found);
    return e->last_plain;
}

static PyObject *
reduced_field(Frame *f, Py_ssize_t field)
{
    return PyTuple_GET_ITEM(f->reduced, field);
}

enum { R_KIND, R_CALLABLE, R_ARGUMENTS, R_STATE, R_ITEMS, R_PAIRS, R_SETTER, R_FILL, R_HOLDS, R_NAMES, R_FLAGS, R_SIZE };

/* Take an object apart. 1: *reduced (new reference) is how; 0: it was written at once; -1: an error. */
static int
take_apart(Encoder *e, PyObject *obj, PyObject **reduced)
{
    PyObject *key = PyLong_FromVoidPtr(obj);
    if (!key) {
        return -1;
    }
    PyObject *named = PyDict_GetItemWithError(e->globals, key);
    if (named || PyErr_Occurred()) {
        Py_DECREF(key);
        return named && emit_global(e, PyTuple_GET_ITEM(named, 1)) == 0 ? 0 : -1;
    }
    PyObject *found = PyObject_CallOneArg(e->reduce, obj);
    if (!found) {
        Py_DECREF(key);
        return -1;
    }
    int result = -1;
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != R_SIZE) {
        PyErr_SetString(PyExc_TypeError, "host.reduce must return a Reduced");
        goto end;
    }
    long kind = PyLong_AsLong(PyTuple_GET_ITEM(found, R_KIND));
    if (kind == BY_NAME) {
        PyObject *name = PyTuple_Pack(2, PyTuple_GET_ITEM(found, R_CALLABLE), PyTuple_GET_ITEM(found, R_ARGUMENTS));
        PyObject *value = name ? PyTuple_Pack(2, obj, name) : NULL;
        if (value && PyDict_SetItem(e->globals, key, value) == 0) {
            result = emit_global(e, name);
        }
        Py_XDECREF(value);
        Py_XDECREF(name);
        goto end;
    }
    if (kind == BY_BUFFER) {
        result = emit_buffer(e, PyTuple_GET_ITEM(found, R_ARGUMENTS));
        goto end;
    }
    if (!PyTuple_Check(PyTuple_GET_ITEM(found, R_ARGUMENTS))) {
        PyErr_SetString(PyExc_TypeError, "the arguments of a reduced object must be a tuple");
        goto end;
    }
    if (PyList_Append(e->temporaries, found) < 0) {
        goto end;
    }
    *reduced = Py_NewRef(found);
    result = 1;
end:
    Py_DECREF(key);
    Py_DECREF(found);
    return result;
}

/* Whether the innermost frame may be walked again further inside, for its object is not known before it is built. */
static inline int
may_repeat(Encoder *e)
{
    if (!e->frames_count) {
        return 0;
    }
    Frame *f = &e->frames[e->frames_count - 1];
    if (!f->remember) {
        return 0;
    }
    return f->kind == F_TUPLE || f->kind == F_FROZENSET || (f->kind == F_CALL && f->stage <= C_CALL) ||
           (f->kind == F_OBJECT && f->stage < 2);
}

/* How many references there are to a frame's object but its own and the encoder's. */
static Py_ssize_t
holders(Frame *f)
{
    int first = f->kind == F_CALL ? C_ITEMS : f->kind == F_OBJECT ? 2 : 1; /* the first stage after it was enrolled */
    int enrolled = f->kind != F_TUPLE && f->kind != F_FROZENSET && f->stage >= first;
    int ours = 1 + enrolled + (enrolled && f->kind == F_CALL); /* that is opaque, too */
    return Py_REFCNT(f->obj) - ours - (f->items == f->obj) - (f->dict == f->obj);
}

/* Whether the objects that are open and were taken apart will never end: the last of them is among them again and again, or
   one after the other made the next, which nobody else holds. What there was before has a holder beside what handed it out. */
static int
endless(Encoder *e)
{
    PyObject *last = e->frames[e->frames_count - 1].obj;
    Py_ssize_t repeated = 0, made = 0;
    int new = 0;
    for (Py_ssize_t i = 0; i < e->frames_count; i++) {
        Frame *f = &e->frames[i];
        new = new && holders(f) == 1;
        if (f->kind == F_CALL) {
            repeated += f->obj == last;
            made += new;
            new = f->stage != C_ATTRS; /* attributes are handed out by nobody */
        }
    }
    e->calls_limit *= 2;
    return repeated > REPEATS_MOST || made > REPEATS_MOST;
}

/* Count a reference to an object that is known. */
static inline int
count_edge(Encoder *e, Entry *entry, uint32_t edge)
{
    if (edge && entry->state != TOP(e)->state) {
        if (GROW(e->borrowed, e->borrowed_room, e->borrowed_count + 1) < 0) {
            return -1;
        }
        e->borrowed[e->borrowed_count++] = entry->key;
    }
    entry->edges += edge;
    return 0;
}

/* Whether what is pushed is what the innermost frame's object was taken apart to, and need not last. */
static inline int
told(Encoder *e)
{
    if (!e->frames_count) {
        return 0;
    }
    Frame *f = &e->frames[e->frames_count - 1];
    return f->kind == F_CALL && (f->stage <= C_CALL || f->stage >= C_SETTER);
}

/* Let the host decide of an object. -1: an error. */
static long
ask(Encoder *e, PyObject *obj)
{
    Writer *w = TOP(e);
    if (!e->frames_count || w->final) {
        return BUNDLE;
    }
    PyObject *depth = PyLong_FromSsize_t(e->writers_count - 1);
    PyObject *held = depth ? PyLong_FromUnsignedLongLong(w->total + w->size) : NULL;
    PyObject *arguments[] = {obj, depth, held};
    PyObject *answer = held ? PyObject_Vectorcall(e->is_apart, arguments, 3, NULL) : NULL;
    long apart = answer ? PyLong_AsLong(answer) : -1;
    Py_XDECREF(depth);
    Py_XDECREF(held);
    Py_XDECREF(answer);
    if ((apart < BUNDLE || apart > FINAL) && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "host.apart must return BUNDLE, SPLIT or FINAL");
        return -1;
    }
    return apart;
}

/* Write an object at once, or open a frame for it. `ours`: how many of its references are ours. */
static int
push(Encoder *e, PyObject *obj, int edge, int ours)
{
    Writer *w = TOP(e);
    if (w->target && w->size >= 8 * w->target && flush(e, w) < 0) {
        return -1;
    }
    PyTypeObject *type = Py_TYPE(obj);
    Py_ssize_t references = Py_REFCNT(obj) - ours;
    int atom = emit_atom(e, obj, type, references);
    if (atom) {
        return atom < 0 ? -1 : 0;
    }
    e->met++;
    if (obj == e->name_space) {
        return emit(w, OP_NAMESPACE);
    }
    Entry *entry;
    int there = known(e, obj, &entry);
    if (!there && e->calls && references > 2 && e->once_count) {
        there = recall(e, obj, &entry); /* held by what handed it out, by the list, and by a holder */
    }
    if (there) {
        return there < 0 || count_edge(e, entry, (uint32_t)edge) < 0 ? -1 : refer(e, entry);
    }
    int remember = references > 1 || !edge || has_weak_references(obj) || may_repeat(e);
    int kind;
    long flags = 0;
    Py_ssize_t length = -1;
    PyObject *reduced = NULL;
    if (type == &PyList_Type) {
        kind = F_LIST;
        length = PyList_GET_SIZE(obj);
    }
    else if (type == &PyDict_Type) {
        kind = F_DICT;
        length = PyDict_GET_SIZE(obj);
    }
    else if (type == &PyTuple_Type) {
        kind = F_TUPLE;
        length = PyTuple_GET_SIZE(obj);
    }
    else if (type == &PySet_Type) {
        kind = F_SET;
        length = PySet_GET_SIZE(obj);
    }
    else if (type == &PyFrozenSet_Type) {
        kind = F_FROZENSET;
        length = PySet_GET_SIZE(obj);
    }
    else if (type == &PyByteArray_Type) {
        return emit_bytearray(e, obj, remember, (uint32_t)edge);
    }
    else if ((PyObject *)type == e->cells) {
        kind = F_LIST;
    }
    else {
        int plain = is_plain(e, type);
        if (plain < 0) {
            return -1;
        }
        if (plain) {
            kind = F_OBJECT;
        }
        else {
            kind = F_CALL;
            Py_INCREF(obj);
            int more = take_apart(e, obj, &reduced);
            Py_DECREF(obj);
            if (more <= 0) {
                return more;
            }
            flags = PyLong_AsLong(PyTuple_GET_ITEM(reduced, R_FLAGS));
        }
    }
    long apart = BUNDLE;
    if (e->frames_count && flags & APART) {
        apart = SPLIT;
    }
    else if (kind < F_OBJECT ? length >= e->apart_least && !told(e) : e->shows_objects && !(flags & STUB)) {
        apart = ask(e, obj);
        if (apart < 0) {
            Py_XDECREF(reduced);
            return -1;
        }
    }
    if (GROW(e->frames, e->frames_room, e->frames_count + 1) < 0) {
        Py_XDECREF(reduced);
        return -1;
    }
    Frame *f = &e->frames[e->frames_count++];
    memset(f, 0, sizeof(*f));
    f->kind = (uint8_t)kind;
    f->met = e->met;
    f->obj = Py_NewRef(obj);
    f->reduced = reduced;
    f->edge = (uint8_t)edge;
    f->item_edge = 1;
    f->remember = (uint8_t)(remember || apart || e->frames_count == 1);
    f->apart = (uint8_t)(apart != 0);
    if (kind == F_CALL && ++e->calls >= e->calls_limit && endless(e)) {
        PyErr_SetString(PyExc_RecursionError, "what it is reduced to leads back to it without end");
        return -1;
    }
    if (apart) {
        int64_t oid = label_of(e, obj, 0);
        if (oid < 0 || !open_pod(e, obj, oid, apart == FINAL || TOP(e)->final)) {
            return -1;
        }
    }
    return 0;
}

/* Let the innermost pod and its root have one oid, unless that lies in another pod. */
static int
root_entry(Encoder *e, Entry *entry)
{
    PodState *state = TOP(e)->state;
    if (entry->state != state) {
        /* if it took the oid that the pod was opened with along to the pod that it lies in, this one needs another */
        return entry->oid == state->oid ? nest_rename(e, e->next_oid++) : 0;
    }
    if (!entry->oid) {
        entry->oid = state->oid;
    }
    else if (entry->oid != state->oid && nest_rename(e, entry->oid) < 0) { /* it was referred to before it was whole */
        return -1;
    }
    return export_object(state->exports, entry->oid, entry->ordinal);
}

static void
drop_frame(Encoder *e)
{
    Frame f = e->frames[--e->frames_count];
    e->calls -= f.kind == F_CALL;
    Py_XDECREF(f.items);
    Py_XDECREF(f.dict);
    Py_XDECREF(f.reduced);
    Py_XDECREF(f.value);
    Py_XDECREF(f.obj);
}

/* End the innermost frame, and the pod that it is the root of. */
static int
end_frame(Encoder *e)
{
    Frame *f = &e->frames[e->frames_count - 1];
    if (f->apart) {
        PyObject *obj = f->obj;
        Entry *entry = find(e, obj);
        if (!entry) {
            PyErr_SetString(PyExc_SystemError, "the root of a pod is unknown");
            return -1;
        }
        if (root_entry(e, entry) < 0) {
            return -1;
        }
        if (close_pod(e) < 0) {
            return -1;
        }
        entry = find(e, obj);
        if (!entry || refer(e, entry) < 0) {
            return -1;
        }
    }
    drop_frame(e);
    return 0;
}

static int
same(Encoder *e, Frame *f, Entry *entry)
{
    if (count_edge(e, entry, f->edge) < 0 || emit(TOP(e), OP_SAME) < 0 || refer(e, entry) < 0) {
        return -1;
    }
    return end_frame(e);
}

/* Return where a list, a tuple, or a view of an array of objects has its items, and how many. */
static inline PyObject **
items_of(PyObject *items, Py_ssize_t *size)
{
    if (PyList_Check(items)) {
        *size = PyList_GET_SIZE(items);
        return ((PyListObject *)items)->ob_item;
    }
    if (PyTuple_Check(items)) {
        *size = PyTuple_GET_SIZE(items);
        return ((PyTupleObject *)items)->ob_item;
    }
    Py_buffer *buffer = PyMemoryView_GET_BUFFER(items);
    *size = buffer->len / (Py_ssize_t)sizeof(PyObject *);
    return buffer->buf;
}

/* Walk the items of f->items. 1: all are written; 0: a frame was opened; -1: an error. */
static int
walk_items(Encoder *e)
{
    Py_ssize_t depth = e->frames_count;
    Frame *f = &e->frames[depth - 1];
    if (f->after) {
        f->after = 0;
        if (boundary(e, f) < 0) {
            return -1;
        }
    }
    for (;;) {
        Py_ssize_t size;
        PyObject **items = items_of(f->items, &size);
        if (f->at >= size) {
            return 1;
        }
        if (f->at + AHEAD < size) { /* items lie apart: the processor fetches them while others are written */
            __builtin_prefetch(items[f->at + AHEAD]);
            __builtin_prefetch((char *)items[f->at + AHEAD] + 64);
        }
        PyObject *item = items[f->at++];
        if (!item) {
            item = Py_None; /* what numpy has not filled yet */
        }
        f->done++;
        begin_item(e, f);
        Py_INCREF(item);
        int failed = push(e, item, f->item_edge, 1) < 0;
        Py_DECREF(item);
        if (failed) {
            return -1;
        }
        f = &e->frames[depth - 1];
        if (e->frames_count > depth) {
            f->after = 1;
            return 0;
        }
        if (boundary(e, f) < 0) {
            return -1;
        }
    }
}

/* Walk the pairs of f->dict, or, without one, those that the list f->items holds. */
static int
walk_pairs(Encoder *e)
{
    Py_ssize_t depth = e->frames_count;
    Frame *f = &e->frames[depth - 1];
    for (;;) {
        if (f->value) {
            PyObject *value = f->value;
            f->value = NULL;
            int failed = push(e, value, f->item_edge, 1) < 0;
            Py_DECREF(value);
            if (failed) {
                return -1;
            }
            f = &e->frames[depth - 1];
            f->after = 1;
            if (e->frames_count > depth) {
                return 0;
            }
        }
        if (f->after) {
            f->after = 0;
            if (boundary(e, f) < 0) {
                return -1;
            }
        }
        PyObject *key, *value;
        if (f->dict) {
            if (!PyDict_Next(f->dict, &f->at, &key, &value)) {
                if (f->done != f->count || PyDict_GET_SIZE(f->dict) != f->count) {
                    PyErr_SetString(PyExc_RuntimeError, "a dict changed while it was saved");
                    return -1;
                }
                return 1;
            }
        }
        else {
            if (f->at >= PyList_GET_SIZE(f->items)) {
                return 1;
            }
            PyObject *pair = PyList_GET_ITEM(f->items, f->at++);
            if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
                PyErr_SetString(PyExc_TypeError, "the dict items of a reduced object must be pairs");
                return -1;
            }
            key = PyTuple_GET_ITEM(pair, 0);
            value = PyTuple_GET_ITEM(pair, 1);
        }
        f->done++;
        begin_item(e, f);
        f->value = Py_NewRef(value);
        Py_INCREF(key);
        int failed = push(e, key, f->item_edge, 1) < 0;
        Py_DECREF(key);
        if (failed) {
            return -1;
        }
        f = &e->frames[depth - 1];
        if (e->frames_count > depth) {
            return 0;
        }
    }
}
