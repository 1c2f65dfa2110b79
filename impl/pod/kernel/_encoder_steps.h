/* The steps of each kind of frame. */

static int
all_immutable(Encoder *e, PyObject *items)
{
    Py_ssize_t size = PyTuple_Check(items) ? PyTuple_GET_SIZE(items) : PyList_GET_SIZE(items);
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = PyTuple_Check(items) ? PyTuple_GET_ITEM(items, i) : PyList_GET_ITEM(items, i);
        if (is_atom(item)) {
            continue;
        }
        Entry *entry = find(e, item);
        if (entry) {
            if (!entry->immutable) {
                return 0;
            }
            continue;
        }
        PyObject *key = PyLong_FromVoidPtr(item);
        int named = key ? PyDict_Contains(e->globals, key) : -1;
        Py_XDECREF(key);
        if (named <= 0) {
            return named;
        }
    }
    return 1;
}

static int
begin_pairs(Frame *f, PyObject *dict, PyObject *items, int edge)
{
    Py_XSETREF(f->dict, Py_XNewRef(dict));
    Py_XSETREF(f->items, Py_XNewRef(items));
    f->at = f->done = 0;
    f->count = dict ? PyDict_GET_SIZE(dict) : PyList_GET_SIZE(items);
    f->item_edge = (uint8_t)edge;
    f->after = 0;
    return 0;
}

static int
begin_items(Frame *f, PyObject *items)
{
    Py_XSETREF(f->items, Py_NewRef(items));
    f->at = f->done = 0;
    f->count = PySequence_Size(items);
    f->item_edge = 1;
    f->after = 0;
    return f->count < 0 ? -1 : 0;
}

/* Begin to write the objects of an array from where they lie. */
static int
begin_cells(Frame *f)
{
    PyObject *flat = PyObject_CallMethod(f->obj, "flat", NULL);
    PyObject *view = flat ? PyMemoryView_FromObject(flat) : NULL;
    PyObject *edge = view ? PyObject_GetAttrString(f->obj, "edge") : NULL;
    int result = edge ? begin_items(f, view) : -1;
    if (result == 0) {
        f->item_edge = (uint8_t)PyObject_IsTrue(edge);
    }
    Py_XDECREF(flat);
    Py_XDECREF(view);
    Py_XDECREF(edge);
    return result;
}

static int
step_native(Encoder *e)
{
    Frame *f = &e->frames[e->frames_count - 1];
    Entry *entry;
    if (f->stage == 0) {
        static const unsigned char opcodes[] = {OP_LIST, OP_TUPLE, OP_SET, OP_FROZENSET, OP_DICT};
        f->stage = 1;
        if (emit(TOP(e), opcodes[f->kind]) < 0) {
            return -1;
        }
        if (f->kind == F_LIST || f->kind == F_SET || f->kind == F_DICT) {
            if (enroll(e, f->obj, f->remember, f->edge, &entry) < 0) {
                return -1;
            }
        }
        if (f->kind == F_DICT) {
            begin_pairs(f, f->obj, NULL, 1);
        }
        else if ((PyObject *)Py_TYPE(f->obj) == e->cells) {
            if (begin_cells(f) < 0) {
                return -1;
            }
        }
        else if (f->kind == F_LIST || f->kind == F_TUPLE) {
            if (begin_items(f, f->obj) < 0) {
                return -1;
            }
        }
        else {
            PyObject *ordered = PyObject_CallOneArg(e->order, f->obj);
            int failed = !ordered || !PyList_Check(ordered) || begin_items(f, ordered) < 0;
            Py_XDECREF(ordered);
            if (failed) {
                if (!PyErr_Occurred()) {
                    PyErr_SetString(PyExc_TypeError, "host.order must return a list");
                }
                return -1;
            }
        }
    }
    int done = f->kind == F_DICT ? walk_pairs(e) : walk_items(e);
    if (done <= 0) {
        return done;
    }
    f = &e->frames[e->frames_count - 1];
    if (f->kind == F_TUPLE || f->kind == F_FROZENSET) {
        int there = known(e, f->obj, &entry);
        if (there) {
            return there < 0 ? -1 : same(e, f, entry);
        }
        int immutable = f->remember ? all_immutable(e, f->items) : 0;
        if (immutable < 0 || enroll(e, f->obj, f->remember, f->edge, &entry) < 0) {
            return -1;
        }
        if (entry) {
            entry->immutable = (uint8_t)immutable;
        }
    }
    uint32_t ignored;
    if (f->kind == F_LIST && f->count >= QUIET_LEAST && f->met == e->met && !map_find(&e->quiet, f->obj, &ignored)) {
        if (map_add(&e->quiet, f->obj, 0) < 0) {
            return -1;
        }
        Py_INCREF(f->obj);
    }
    if (emit(TOP(e), OP_END) < 0) {
        return -1;
    }
    return end_frame(e);
}

/* Begin to write an object's own __dict__. 1: as pairs; 0: as an object, for which a frame may be open; -1: an error. */
static int
begin_own_dict(Encoder *e, Frame *f, int opcode, int edge)
{
    PyObject *dict = PyObject_GenericGetDict(f->obj, NULL);
    if (!dict) {
        return -1;
    }
    int shared = Py_REFCNT(dict) > 2 || find(e, dict) != NULL || !PyDict_CheckExact(dict);
    if (shared) {
#if PY_VERSION_HEX >= 0x030D0000
        if (!edge) { /* traversal may show what lies in the dict as lying in the object */
            TOP(e)->state->doubtful = 1;
        }
#endif
        int result = emit(TOP(e), OP_DICT_STATE) < 0 ? -1 : push(e, dict, edge, 1);
        Py_DECREF(dict);
        return result < 0 ? -1 : 0;
    }
    begin_pairs(f, dict, NULL, edge);
    Py_DECREF(dict);
    return opcode == OP_ATTRS && emit(TOP(e), OP_ATTRS) < 0 ? -1 : 1;
}

static int
step_object(Encoder *e)
{
    Frame *f = &e->frames[e->frames_count - 1];
    Py_ssize_t depth = e->frames_count;
    Entry *entry;
    if (f->stage == 0) {
        f->stage = 1;
        if (emit(TOP(e), OP_OBJECT) < 0) {
            return -1;
        }
        PyObject *type = Py_NewRef((PyObject *)Py_TYPE(f->obj));
        int failed = push(e, type, 1, 1) < 0;
        Py_DECREF(type);
        if (failed) {
            return -1;
        }
        if (e->frames_count > depth) {
            return 0;
        }
        f = &e->frames[depth - 1];
    }
    if (f->stage == 1) {
        int there = known(e, f->obj, &entry);
        if (there) {
            TOP(e)->next++; /* of the object that the decoder has made by now */
            return there < 0 ? -1 : same(e, f, entry);
        }
        if (enroll(e, f->obj, f->remember, f->edge, &entry) < 0) {
            return -1;
        }
        int pairs = begin_own_dict(e, f, OP_OBJECT, 1);
        if (pairs < 0) {
            return -1;
        }
        e->frames[depth - 1].stage = pairs ? 2 : 3;
        if (e->frames_count > depth) {
            return 0;
        }
        f = &e->frames[depth - 1];
    }
    if (f->stage == 2) {
        int done = walk_pairs(e);
        if (done <= 0) {
            return done;
        }
    }
    if (emit(TOP(e), OP_END) < 0) {
        return -1;
    }
    return end_frame(e);
}

static int
step_call(Encoder *e)
{
    Py_ssize_t depth = e->frames_count;
    Entry *entry;
    for (;;) {
        Frame *f = &e->frames[depth - 1];
        long flags = PyLong_AsLong(reduced_field(f, R_FLAGS));
        switch (f->stage) {
        case C_CALLABLE: {
            PyObject *names = reduced_field(f, R_NAMES);
            for (Py_ssize_t i = 0; PyTuple_Check(names) && i < PyTuple_GET_SIZE(names); i++) {
                if (PySet_Add(TOP(e)->needs, PyTuple_GET_ITEM(names, i)) < 0) {
                    return -1;
                }
            }
            long kind = PyLong_AsLong(reduced_field(f, R_KIND));
            int opcode = kind == BY_CALL ? OP_REDUCE : kind == BY_NEW ? OP_NEW : OP_NEW_EX;
            f->stage = C_ARGUMENTS;
            if (emit(TOP(e), opcode) < 0 || push(e, reduced_field(f, R_CALLABLE), 1, 0) < 0) {
                return -1;
            }
            break;
        }
        case C_ARGUMENTS: {
            PyObject *arguments = reduced_field(f, R_ARGUMENTS);
            if (f->at < PyTuple_GET_SIZE(arguments)) {
                PyObject *argument = PyTuple_GET_ITEM(arguments, f->at++);
                if (push(e, argument, 1, 0) < 0) {
                    return -1;
                }
                break;
            }
            f->stage = C_CALL;
            break;
        }
        case C_CALL: {
            int there = known(e, f->obj, &entry);
            if (there) {
                return there < 0 ? -1 : same(e, f, entry);
            }
            if (emit(TOP(e), OP_CALL) < 0 || enroll(e, f->obj, f->remember, f->edge, &entry) < 0) {
                return -1;
            }
            if (entry) {
                entry->immutable = (uint8_t)(flags & IMMUTABLE);
            }
            if (PyList_Append(e->opaque, f->obj) < 0 || PyList_Append(e->opaque, reduced_field(f, R_HOLDS)) < 0 ||
                PyList_Append(e->opaque, (PyObject *)TOP(e)->state) < 0) {
                return -1;
            }
            if (reduced_field(f, R_FILL) == Py_True && emit_fill(e, f->obj) < 0) {
                return -1;
            }
            f->stage = C_ITEMS;
            PyObject *items = reduced_field(f, R_ITEMS);
            if (items == Py_None) {
                f->stage = C_PAIRS;
            }
            else if (emit(TOP(e), OP_ITEMS) < 0 || begin_items(f, items) < 0) {
                return -1;
            }
            else {
                f->stage = C_ITEMS_END;
            }
            break;
        }
        case C_ITEMS_END: {
            int done = walk_items(e);
            if (done <= 0) {
                return done;
            }
            if (emit(TOP(e), OP_END) < 0) {
                return -1;
            }
            e->frames[depth - 1].stage = C_PAIRS;
            continue;
        }
        case C_PAIRS: {
            PyObject *pairs = reduced_field(f, R_PAIRS);
            f->stage = C_DICT;
            if (pairs != Py_None) {
                if (emit(TOP(e), OP_PAIRS) < 0 || begin_pairs(f, NULL, pairs, 1) < 0) {
                    return -1;
                }
                f->stage = C_PAIRS_END;
            }
            break;
        }
        case C_PAIRS_END: {
            int done = walk_pairs(e);
            if (done <= 0) {
                return done;
            }
            if (emit(TOP(e), OP_END) < 0) {
                return -1;
            }
            e->frames[depth - 1].stage = C_DICT;
            continue;
        }
        case C_DICT:
            f->stage = C_STATE;
            if (flags & OWN_DICT) {
                int pairs = begin_own_dict(e, f, OP_ATTRS, 0);
                if (pairs < 0) {
                    return -1;
                }
                if (pairs) {
                    e->frames[depth - 1].stage = C_ATTRS;
                }
            }
            break;
        case C_ATTRS: {
            int done = walk_pairs(e);
            if (done <= 0) {
                return done;
            }
            if (emit(TOP(e), OP_END) < 0) {
                return -1;
            }
            e->frames[depth - 1].stage = C_STATE;
            continue;
        }
        case C_STATE: {
            PyObject *setter = reduced_field(f, R_SETTER), *state = reduced_field(f, R_STATE);
            f->stage = C_END;
            if (setter != Py_None) {
                f->stage = C_SETTER;
                if (emit(TOP(e), OP_SETTER) < 0 || push(e, setter, 1, 0) < 0) {
                    return -1;
                }
            }
            else if (state != Py_None) {
                if (emit(TOP(e), OP_STATE) < 0 || push(e, state, 1, 0) < 0) {
                    return -1;
                }
            }
            break;
        }
        case C_SETTER:
            f->stage = C_END;
            if (push(e, reduced_field(f, R_STATE), 1, 0) < 0) {
                return -1;
            }
            break;
        default:
            if (emit(TOP(e), OP_END) < 0) {
                return -1;
            }
            return end_frame(e);
        }
        if (e->frames_count > depth) {
            return 0;
        }
    }
}
