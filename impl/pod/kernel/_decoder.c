/* The decoder of pod/graph/_decoder.py, compiled. It checks every length against the stream's end: the bytes are
   authentic, but a bug must not become a crash. */

#include "_kernel.h"

#include "_decoder_stack.h"
#include "_decoder_late.h"
#include "_decoder_frames.h"
#include "_decoder_values.h"

static PyObject *
decoder_run(Decoder *d, PyObject *args)
{
    PyObject *found, *missing;
    if (!PyArg_ParseTuple(args, "OO", &found, &missing)) {
        return NULL;
    }
    unsigned int steps = 0;
    for (;;) {
        if (d->at >= d->end) {
            int more = next_chunk(d);
            if (more < 0) {
                return NULL;
            }
            if (!more) {
                if (!d->root || d->frames_count) {
                    broken("a pod's stream ends too early");
                    return NULL;
                }
                return !d->hung && settle_late(d) < 0 ? NULL : PyLong_FromLong(0);
            }
        }
        const unsigned char *start = d->at;
        int opcode = *d->at++;
        if (opcode == OP_XREF) {
            uint64_t index;
            if (number(d, &index) < 0) {
                return NULL;
            }
            if (index >= (uint64_t)PyList_GET_SIZE(d->references)) {
                broken("a reference that a pod does not list");
                return NULL;
            }
            PyObject *oid = PyList_GET_ITEM(d->references, (Py_ssize_t)index);
            d->hangs = 0;
            PyObject *value = PyObject_CallOneArg(found, oid);
            if (!value) {
                return NULL;
            }
            if (value == missing) {
                Py_DECREF(value);
                d->at = start;
                return Py_NewRef(oid);
            }
            if (d->hangs && d->frames_count) {
                hangs_on(d, OUTSIDE);
            }
            if (deliver(d, value) < 0) {
                return NULL;
            }
        }
        else if (step(d, opcode) < 0) {
            return NULL;
        }
        if ((++steps & 0xFFFFF) == 0 && PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
}

static PyObject *
decoder_hang(Decoder *d, PyObject *Py_UNUSED(ignored))
{
    d->hangs = d->hung = 1;
    Py_RETURN_NONE;
}

static PyObject *
decoder_settle(Decoder *d, PyObject *Py_UNUSED(ignored))
{
    if (settle_late(d) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
decoder_made(Decoder *d, PyObject *ordinal)
{
    Py_ssize_t index = PyLong_AsSsize_t(ordinal);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (index < 0 || index >= d->objects_count) {
        PyErr_SetString(PyExc_IndexError, "the pod has not that many objects");
        return NULL;
    }
    return Py_NewRef(d->objects[index]);
}

static PyObject *
get_count(Decoder *d, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(d->objects_count);
}

static PyObject *
get_done(Decoder *d, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(d->root != NULL);
}

static PyObject *
get_hung(Decoder *d, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(d->hung);
}

static PyObject *
get_root(Decoder *d, void *Py_UNUSED(closure))
{
    if (!d->root) {
        PyErr_SetString(PyExc_AttributeError, "the pod is not read to its end");
        return NULL;
    }
    return Py_NewRef(d->root);
}

static PyObject *
list_of(PyObject *value)
{
    return PySequence_List(value);
}

static int
decoder_init(Decoder *d, PyObject *args, PyObject *Py_UNUSED(keywords))
{
    PyObject *streams, *blobs, *references, *source, *name_space;
    if (!PyArg_ParseTuple(args, "OOOOO", &streams, &blobs, &references, &source, &name_space)) {
        return -1;
    }
    Py_XSETREF(d->streams, PyObject_GetIter(streams));
    Py_XSETREF(d->blobs, list_of(blobs));
    Py_XSETREF(d->references, list_of(references));
    Py_XSETREF(d->source, Py_NewRef(source));
    Py_XSETREF(d->name_space, Py_NewRef(name_space));
    PyObject *module = PyImport_ImportModule("pod.graph._decoder");
    Py_XSETREF(d->set_state, module ? PyObject_GetAttrString(module, "set_state") : NULL);
    Py_XDECREF(module);
    if (!append_name) {
        append_name = PyUnicode_InternFromString("append");
        extend_name = PyUnicode_InternFromString("extend");
        empty_arguments = PyTuple_New(0);
        object_new = PyObject_GetAttrString((PyObject *)&PyBaseObject_Type, "__new__");
    }
    int whole = d->streams && d->blobs && d->references && d->set_state;
    return whole && append_name && extend_name && empty_arguments && object_new ? 0 : -1;
}

static int
decoder_traverse(Decoder *d, visitproc visit, void *arg)
{
    Py_VISIT(d->streams);
    Py_VISIT(d->blobs);
    Py_VISIT(d->references);
    Py_VISIT(d->source);
    Py_VISIT(d->name_space);
    Py_VISIT(d->root);
    Py_VISIT(d->set_state);
    Py_VISIT(d->late);
    Py_VISIT(d->plain_class);
    for (Py_ssize_t i = 0; i < d->objects_count; i++) {
        Py_VISIT(d->objects[i]);
    }
    for (Py_ssize_t i = 0; i < d->globals_count; i++) {
        Py_VISIT(d->globals[i]);
    }
    for (Py_ssize_t i = 0; i < d->values_count; i++) {
        Py_VISIT(d->values[i]);
    }
    for (Py_ssize_t i = 0; i < d->frames_count; i++) {
        Py_VISIT(d->frames[i].obj);
        Py_VISIT(d->frames[i].key);
        Py_VISIT(d->frames[i].late);
    }
    return 0;
}

static int
decoder_clear(Decoder *d)
{
    while (d->frames_count) {
        drop_frame(d);
    }
    drop_values(d, 0);
    clear_chunk_tables(d);
    while (d->objects_count) {
        Py_DECREF(d->objects[--d->objects_count]);
    }
    Py_CLEAR(d->streams);
    Py_CLEAR(d->blobs);
    Py_CLEAR(d->references);
    Py_CLEAR(d->source);
    Py_CLEAR(d->name_space);
    Py_CLEAR(d->root);
    Py_CLEAR(d->set_state);
    Py_CLEAR(d->late);
    Py_CLEAR(d->plain_class);
    release_chunk(d);
    return 0;
}

static void
decoder_dealloc(Decoder *d)
{
    PyObject_GC_UnTrack(d);
    decoder_clear(d);
    PyMem_Free(d->objects);
    PyMem_Free(d->bases);
    PyMem_Free(d->slots);
    PyMem_Free(d->globals);
    PyMem_Free(d->values);
    PyMem_Free(d->frames);
    Py_TYPE(d)->tp_free((PyObject *)d);
}

static PyGetSetDef decoder_fields[] = {
    {"count", (getter)get_count, NULL, "How many objects have an ordinal by now.", NULL},
    {"done", (getter)get_done, NULL, "Whether the pod was read to its end.", NULL},
    {"hung", (getter)get_hung, NULL, "Whether it must be settled when what it hangs on is finished.", NULL},
    {"root", (getter)get_root, NULL, "The pod's value.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef decoder_methods[] = {
    {"run", (PyCFunction)decoder_run, METH_VARARGS, "Read on; return 0 at the end, or the oid that is missing."},
    {"hang", (PyCFunction)decoder_hang, METH_NOARGS, "Say that what is about to be found is not finished."},
    {"settle", (PyCFunction)decoder_settle, METH_NOARGS, "Look at the containers again whose keys may have lacked state."},
    {"made", (PyCFunction)decoder_made, METH_O, "Return the object with an ordinal."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject Decoder_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pod.kernel._kernel.Decoder",
    .tp_basicsize = sizeof(Decoder),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Reads one pod; see pod.graph.Decoder.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)decoder_init,
    .tp_dealloc = (destructor)decoder_dealloc,
    .tp_traverse = (traverseproc)decoder_traverse,
    .tp_clear = (inquiry)decoder_clear,
    .tp_methods = decoder_methods,
    .tp_getset = decoder_fields,
};
