/* The encoder of pod/graph/_encoder.py, compiled: the same bytes, the same rules, no recursion.

   One difference: an object that nobody else can refer to (one reference, no weak ones) is not remembered, for it
   cannot be met again, unless something hands it out (see _encoder_once.h). Everything that `finish` must find again is
   remembered all the same. */

#include "_kernel.h"

#include "_encoder_table.h"
#include "_encoder_once.h"
#include "_encoder_pods.h"
#include "_encoder_atoms.h"
#include "_encoder_walk.h"
#include "_encoder_steps.h"

/* Methods */

static void
shorten_list(PyObject *list, Py_ssize_t kept)
{
    if (list && PyList_GET_SIZE(list) > kept && PyList_SetSlice(list, kept, PY_SSIZE_T_MAX, NULL) < 0) {
        PyErr_Clear(); /* a list that stays longer explains too little, at worst */
    }
}

/* Forget what the root that is being written has entered and counted. */
static void
abandon(Encoder *e)
{
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    while (e->frames_count) {
        drop_frame(e);
    }
    for (Py_ssize_t i = 0; i < e->journal_count; i++) {
        Entry *entry = find(e, e->journal[i]);
        if (entry) {
            if (entry->oid) {
                add_label(e, entry->key, entry->oid);
            }
            take_out(e, entry);
        }
    }
    e->journal_count = 0;
    while (e->borrowed_count) {
        Entry *entry = find(e, e->borrowed[--e->borrowed_count]);
        if (entry) {
            entry->edges--;
        }
    }
    while (e->writers_count) {
        drop_writer(e);
    }
    shorten_once(e, e->once_root);
    shorten_list(e->opaque, e->opaque_root);
    shorten_list(e->temporaries, e->temporaries_root);
    PyErr_Restore(kind, value, traceback);
}

static PyObject *
encoder_encode(Encoder *e, PyObject *args)
{
    PyObject *root;
    long long oid = 0;
    if (!PyArg_ParseTuple(args, "O|L", &root, &oid)) {
        return NULL;
    }
    if (e->writers_count) {
        PyErr_SetString(PyExc_RuntimeError, "the encoder is at work");
        return NULL;
    }
    Py_XSETREF(e->written, PyList_New(0));
    if (!e->written) {
        return NULL;
    }
    e->journal_count = e->borrowed_count = 0;
    e->temporaries_root = PyList_GET_SIZE(e->temporaries);
    e->opaque_root = PyList_GET_SIZE(e->opaque);
    e->once_root = e->once_count;
    e->calls_limit = CALLS_LIMIT;
    e->walk++;
    e->places_count = 0;
    if (!oid) {
        oid = label_of(e, root, 0);
        if (oid < 0) {
            return NULL;
        }
    }
    if (!open_pod(e, root, oid, 0)) {
        abandon(e);
        return NULL;
    }
    int failed = push(e, root, 0, 0) < 0;
    unsigned int steps = 0;
    while (!failed && e->frames_count) {
        int kind = e->frames[e->frames_count - 1].kind;
        failed = (kind == F_OBJECT ? step_object(e) : kind == F_CALL ? step_call(e) : step_native(e)) < 0;
        if (!failed && (++steps & 0xFFFF) == 0) {
            failed = PyErr_CheckSignals() < 0;
        }
    }
    if (!failed) {
        Entry *entry = find(e, root);
        failed = (entry && root_entry(e, entry) < 0) || close_pod(e) < 0;
    }
    if (failed) {
        abandon(e);
        return NULL;
    }
    return Py_NewRef(e->written);
}

static PyObject *
encoder_begin(Encoder *e, PyObject *active)
{
    PyObject *pods = PySequence_List(active);
    if (!pods) {
        return NULL;
    }
    e->serial++;
    shorten_once(e, 0);
    e->once_root = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pods); i++) {
        if (forget_pod(e, PyList_GET_ITEM(pods, i), 1) < 0) {
            Py_DECREF(pods);
            return NULL;
        }
    }
    Py_DECREF(pods);
    Py_RETURN_NONE;
}

static PyObject *
encoder_drop(Encoder *e, PyObject *dropped)
{
    PyObject *pods = PySequence_List(dropped);
    if (!pods) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pods); i++) {
        if (forget_pod(e, PyList_GET_ITEM(pods, i), 0) < 0) {
            Py_DECREF(pods);
            return NULL;
        }
    }
    Py_DECREF(pods);
    Py_RETURN_NONE;
}

static PyObject *
encoder_labels(Encoder *e, PyObject *Py_UNUSED(ignored))
{
    PyObject *result = PyDict_New();
    Py_ssize_t at = 0;
    PyObject *key, *label;
    while (result && PyDict_Next(e->labels, &at, &key, &label)) {
        if (PyDict_SetItem(result, PyTuple_GET_ITEM(label, 1), PyTuple_GET_ITEM(label, 0)) < 0) {
            Py_CLEAR(result);
        }
    }
    return result;
}

static PyObject *
encoder_locate(Encoder *e, PyObject *obj)
{
    Entry *entry;
    int there = known(e, obj, &entry);
    if (there < 0) {
        return NULL;
    }
    if (!there) {
        Py_RETURN_NONE;
    }
    if (name_entry(e, entry) < 0) {
        return NULL;
    }
    return PyLong_FromLongLong(entry->oid);
}

static PyObject *
encoder_count(Encoder *e, PyObject *args)
{
    PyObject *obj;
    int edges = 1;
    if (!PyArg_ParseTuple(args, "O|i", &obj, &edges)) {
        return NULL;
    }
    Entry *entry = find(e, obj);
    if (entry) {
        entry->edges += (uint32_t)edges;
    }
    Py_RETURN_NONE;
}

static PyObject *
encoder_adopt(Encoder *e, PyObject *args)
{
    PyObject *obj, *pod;
    unsigned long long ordinal;
    long long oid;
    if (!PyArg_ParseTuple(args, "OOKL", &obj, &pod, &ordinal, &oid)) {
        return NULL;
    }
    if (is_atom(obj) || find(e, obj)) {
        Py_RETURN_NONE;
    }
    PyObject *found = PyObject_GetAttrString(pod, "entries");
    if (!found) {
        return NULL;
    }
    PodState *state;
    if (Py_TYPE(found) == &PodState_Type) {
        state = (PodState *)found;
    }
    else {
        Py_DECREF(found);
        PyObject *exports = PyObject_GetAttrString(pod, "exports");
        PyObject *number = PyObject_GetAttrString(pod, "oid");
        state = exports && number ? state_new(PyLong_AsLongLong(number), 0, exports) : NULL;
        Py_XDECREF(exports);
        Py_XDECREF(number);
        if (!state || PyObject_SetAttrString(pod, "entries", (PyObject *)state) < 0) {
            Py_XDECREF((PyObject *)state);
            return NULL;
        }
    }
    Entry *entry = GROW(state->keys, state->room, state->count + 1) < 0 ? NULL : insert(e, obj, state);
    if (entry) {
        entry->ordinal = (uint32_t)ordinal;
        entry->oid = oid;
        state->keys[state->count++] = obj;
    }
    Py_DECREF((PyObject *)state);
    if (!entry) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
encoder_release(Encoder *e, PyObject *obj)
{
    Entry *entry = find(e, obj);
    if (entry) {
        take_out(e, entry);
    }
    Py_RETURN_NONE;
}

#include "_encoder_finish.h"

/* The type */

static PyObject *
class_of(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return found;
}

static int
encoder_init(Encoder *e, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"host", "apart_least", "objects", NULL};
    PyObject *host;
    e->apart_least = PY_SSIZE_T_MAX;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|np", names, &host, &e->apart_least, &e->shows_objects)) {
        return -1;
    }
    e->shows = e->shows_objects || e->apart_least < PY_SSIZE_T_MAX;
    Py_XSETREF(e->host, Py_NewRef(host));
    e->next_oid = 1;
    Py_XSETREF(e->plain, PyObject_GetAttrString(host, "plain"));
    Py_XSETREF(e->reduce, PyObject_GetAttrString(host, "reduce"));
    Py_XSETREF(e->memory, PyObject_GetAttrString(host, "memory"));
    Py_XSETREF(e->order, PyObject_GetAttrString(host, "order"));
    Py_XSETREF(e->begin_pod, PyObject_GetAttrString(host, "begin"));
    Py_XSETREF(e->is_apart, PyObject_GetAttrString(host, "apart"));
    Py_XSETREF(e->put_chunks, PyObject_GetAttrString(host, "put_chunks"));
    Py_XSETREF(e->put_blob, PyObject_GetAttrString(host, "put_blob"));
    Py_XSETREF(e->labels, PyDict_New());
    Py_XSETREF(e->plain_types, PyDict_New());
    Py_XSETREF(e->globals, PyDict_New());
    Py_XSETREF(e->temporaries, PyList_New(0));
    Py_XSETREF(e->opaque, PyList_New(0));
    Py_XSETREF(e->reach, class_of("pod.graph._exposure", "Reach"));
    Py_XSETREF(e->cells, class_of("pod.graph._arrays", "Cells"));
    if (!e->plain || !e->reduce || !e->order || !e->memory || !e->begin_pod || !e->is_apart || !e->put_chunks || !e->put_blob ||
        !e->reach || !e->cells ||
        !e->labels || !e->plain_types || !e->globals || !e->temporaries || !e->opaque) {
        return -1;
    }
    return 0;
}

static int
encoder_traverse(Encoder *e, visitproc visit, void *arg)
{
    Py_VISIT(e->host);
    Py_VISIT(e->name_space);
    Py_VISIT(e->plain);
    Py_VISIT(e->reduce);
    Py_VISIT(e->order);
    Py_VISIT(e->memory);
    Py_VISIT(e->begin_pod);
    Py_VISIT(e->is_apart);
    Py_VISIT(e->put_chunks);
    Py_VISIT(e->put_blob);
    Py_VISIT(e->reach);
    Py_VISIT(e->cells);
    Py_VISIT(e->labels);
    Py_VISIT(e->plain_types);
    Py_VISIT(e->globals);
    Py_VISIT(e->temporaries);
    Py_VISIT(e->opaque);
    Py_VISIT(e->written);
    for (Py_ssize_t i = 0; i < e->entries_count; i++) {
        if (e->entries[i].key && e->entries[i].strong) {
            Py_VISIT(e->entries[i].key);
        }
    }
    for (Py_ssize_t i = 0; i < e->once_count; i++) {
        Py_VISIT(e->once[i].obj);
    }
    return 0;
}

static int
encoder_clear(Encoder *e)
{
    abandon(e);
    shorten_once(e, 0);
    map_clear(&e->quiet);
    Py_CLEAR(e->host);
    Py_CLEAR(e->name_space);
    Py_CLEAR(e->plain);
    Py_CLEAR(e->reduce);
    Py_CLEAR(e->order);
    Py_CLEAR(e->memory);
    Py_CLEAR(e->begin_pod);
    Py_CLEAR(e->is_apart);
    Py_CLEAR(e->put_chunks);
    Py_CLEAR(e->put_blob);
    Py_CLEAR(e->reach);
    Py_CLEAR(e->cells);
    Py_CLEAR(e->labels);
    Py_CLEAR(e->plain_types);
    Py_CLEAR(e->globals);
    Py_CLEAR(e->temporaries);
    Py_CLEAR(e->opaque);
    Py_CLEAR(e->written);
    Entry *entries = e->entries;
    Py_ssize_t count = e->entries_count;
    e->entries = NULL;
    e->entries_count = e->entries_room = 0;
    e->free_entry = 0;
    PyMem_Free(e->index);
    e->index = NULL;
    e->index_used = e->index_mask = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (entries[i].key) {
            Py_XDECREF((PyObject *)entries[i].state);
            if (entries[i].strong) {
                Py_DECREF(entries[i].key);
            }
        }
    }
    PyMem_Free(entries);
    return 0;
}

static void
encoder_dealloc(Encoder *e)
{
    PyObject_GC_UnTrack(e);
    encoder_clear(e);
    PyMem_Free(e->writers);
    PyMem_Free(e->frames);
    PyMem_Free(e->places);
    PyMem_Free(e->journal);
    PyMem_Free(e->borrowed);
    Py_TYPE(e)->tp_free((PyObject *)e);
}

static PyObject *
get_next_oid(Encoder *e, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(e->next_oid);
}

static int
set_next_oid(Encoder *e, PyObject *value, void *Py_UNUSED(closure))
{
    int64_t number = value ? PyLong_AsLongLong(value) : -1;
    if (number < 1) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "an oid is at least 1");
        }
        return -1;
    }
    e->next_oid = number;
    return 0;
}

static PyObject *
get_namespace(Encoder *e, void *Py_UNUSED(closure))
{
    return Py_NewRef(e->name_space ? e->name_space : Py_None);
}

static int
set_namespace(Encoder *e, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(e->name_space, value && value != Py_None ? Py_NewRef(value) : NULL);
    return 0;
}

static PyGetSetDef encoder_fields[] = {
    {"next_oid", (getter)get_next_oid, (setter)set_next_oid, "The oid that the next object with one gets.", NULL},
    {"namespace", (getter)get_namespace, (setter)set_namespace, "What NAMESPACE means.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef encoder_methods[] = {
    {"begin", (PyCFunction)encoder_begin, METH_O, "Begin a save in which these pods are written anew."},
    {"drop", (PyCFunction)encoder_drop, METH_O, "Forget the objects of pods that are no more."},
    {"labels", (PyCFunction)encoder_labels, METH_NOARGS, "Return oid -> object of what was not written yet."},
    {"locate", (PyCFunction)encoder_locate, METH_O, "Return the oid of an object that a pod holds, or None."},
    {"count", (PyCFunction)encoder_count, METH_VARARGS, "Count references that are explained from outside the graph."},
    {"adopt", (PyCFunction)encoder_adopt, METH_VARARGS, "Learn an object with an oid from a version that was loaded."},
    {"release", (PyCFunction)encoder_release, METH_O, "Forget an object, so that its memory can be freed."},
    {"encode", (PyCFunction)encoder_encode, METH_VARARGS, "Write an object and all below it that no pod holds yet."},
    {"finish", (PyCFunction)encoder_finish, METH_VARARGS, "End a save."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject Encoder_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pod.kernel._kernel.Encoder",
    .tp_basicsize = sizeof(Encoder),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Writes objects as pods; see pod.graph.Encoder.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)encoder_init,
    .tp_dealloc = (destructor)encoder_dealloc,
    .tp_traverse = (traverseproc)encoder_traverse,
    .tp_clear = (inquiry)encoder_clear,
    .tp_methods = encoder_methods,
    .tp_getset = encoder_fields,
};
