/* What the decoder knows: its data, the chunk that it reads, and the stack of frames. */

enum { D_COLLECT, D_LIST, D_PAIRS, D_SET, D_CLASS, D_STATE, D_OWN_DICT, D_ATTRS, D_APPEND, D_SETTER, D_PARTS, D_SAME };

typedef struct {
    PyObject *obj; /* owned */
    PyObject *key; /* owned: a pair's first half, or a setter */
    PyObject *late; /* owned: all items of a set or dict that has a key which may lack state, or NULL */
    Py_ssize_t base; /* where this frame's values begin on the stack */
    Py_ssize_t first; /* the ordinal that was the next when it was opened */
    Py_ssize_t needs; /* the outermost frame whose object, unfinished, was met within this one; or `NOTHING` */
    uint8_t kind, does;
    uint8_t hangs; /* the next key does, on such an object */
} Frame;

#define NOTHING PY_SSIZE_T_MAX
#define OUTSIDE (-1) /* in place of a frame's index: in another pod, within which this one is read */

typedef struct {
    PyObject_HEAD
    PyObject *streams, *blobs, *references, *source, *name_space, *root;
    PyObject *set_state; /* pod.graph's */
    PyObject *late;        /* list of (container, its items) to look at in the end, or NULL */
    PyObject *plain_class; /* owned: a class that `make_plain` made an instance of */
    Py_ssize_t next_blob;
    Py_buffer chunk; /* the one being read */
    const unsigned char *at, *end;
    PyObject **objects;
    Py_ssize_t objects_count, objects_room;
    Py_ssize_t *bases;
    Py_ssize_t bases_count, bases_room;
    PyObject **slots;
    Py_ssize_t slots_count, slots_room;
    PyObject **globals;
    Py_ssize_t globals_count, globals_room;
    PyObject **values; /* what frames that collect have collected */
    Py_ssize_t values_count, values_room;
    Frame *frames;
    Py_ssize_t frames_count, frames_room;
    int hangs; /* what `found` is about to return does, on an object outside that is not finished */
    int hung;  /* something did: `settle` must be called */
} Decoder;

static PyObject *append_name, *extend_name, *empty_arguments, *object_new;

static int
grow(void **array, Py_ssize_t *room, size_t item)
{
    Py_ssize_t wanted = *room ? *room * 2 : 8;
    void *bigger = PyMem_Realloc(*array, (size_t)wanted * item);
    if (!bigger) {
        PyErr_NoMemory();
        return -1;
    }
    *array = bigger;
    *room = wanted;
    return 0;
}

#define ADD(array, item) \
    ((d->array##_count < d->array##_room || \
      grow((void **)&d->array, &d->array##_room, sizeof(*d->array)) == 0) \
         ? (d->array[d->array##_count++] = (item), 0) \
         : -1)

static int
broken(const char *why)
{
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

static void
clear_chunk_tables(Decoder *d)
{
    for (Py_ssize_t i = 0; i < d->slots_count; i++) {
        Py_DECREF(d->slots[i]);
    }
    for (Py_ssize_t i = 0; i < d->globals_count; i++) {
        Py_DECREF(d->globals[i]);
    }
    d->slots_count = d->globals_count = 0;
}

static void
release_chunk(Decoder *d)
{
    d->at = d->end = NULL;
    PyBuffer_Release(&d->chunk); /* nothing, if there is none */
}

/* 1: there is one more chunk; 0: there is none. */
static int
next_chunk(Decoder *d)
{
    for (;;) {
        release_chunk(d); /* the next one may take its memory */
        PyObject *data = PyIter_Next(d->streams);
        if (!data) {
            return PyErr_Occurred() ? -1 : 0;
        }
        int failed = PyObject_GetBuffer(data, &d->chunk, PyBUF_SIMPLE) < 0;
        Py_DECREF(data);
        if (failed) {
            return broken("a pod's chunk must be bytes");
        }
        d->at = d->chunk.buf;
        d->end = d->at + d->chunk.len;
        clear_chunk_tables(d);
        if (ADD(bases, d->objects_count) < 0) {
            return -1;
        }
        if (d->at < d->end) {
            return 1;
        }
    }
}

static inline int
number(Decoder *d, uint64_t *value)
{
    uint64_t result = 0;
    for (int shift = 0; d->at < d->end && shift < 64; shift += 7) {
        unsigned char byte = *d->at++;
        result |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = result;
            return 0;
        }
    }
    return broken("a number in a pod's stream does not end");
}

static inline int
take(Decoder *d, uint64_t size, const unsigned char **data)
{
    if (size > (uint64_t)(d->end - d->at)) {
        return broken("a pod's chunk ends too early");
    }
    *data = d->at;
    d->at += size;
    return 0;
}

static int
take_sized(Decoder *d, const unsigned char **data, uint64_t *size)
{
    return number(d, size) < 0 ? -1 : take(d, *size, data);
}

/* Frames */

static int
open_frame(Decoder *d, int kind, int does, PyObject *obj)
{
    if (d->frames_count >= d->frames_room && grow((void **)&d->frames, &d->frames_room, sizeof(Frame)) < 0) {
        Py_XDECREF(obj);
        return -1;
    }
    Frame *f = &d->frames[d->frames_count++];
    f->obj = obj;
    f->key = NULL;
    f->late = NULL;
    f->base = d->values_count;
    f->first = d->objects_count;
    f->needs = NOTHING;
    f->kind = (uint8_t)kind;
    f->does = (uint8_t)does;
    f->hangs = 0;
    return 0;
}

static int
open_container(Decoder *d, int kind, int does, PyObject *obj)
{
    if (!obj) {
        return -1;
    }
    if (open_frame(d, kind, does, obj) < 0) {
        return -1;
    }
    return ADD(objects, Py_NewRef(obj));
}

static void
drop_values(Decoder *d, Py_ssize_t base)
{
    while (d->values_count > base) {
        Py_DECREF(d->values[--d->values_count]);
    }
}

static void
drop_frame(Decoder *d)
{
    Frame f = d->frames[--d->frames_count];
    drop_values(d, f.base);
    Py_XDECREF(f.key);
    Py_XDECREF(f.late);
    Py_XDECREF(f.obj);
}

static int deliver(Decoder *d, PyObject *value);

/* `value` is new, and gets an ordinal. */
static int
deliver_object(Decoder *d, PyObject *value)
{
    if (!value) {
        return -1;
    }
    if (ADD(objects, Py_NewRef(value)) < 0) {
        Py_DECREF(value);
        return -1;
    }
    return deliver(d, value);
}

static int
set_attribute(PyObject *obj, PyObject *key, PyObject *value)
{
    PyObject *dict = PyObject_GenericGetDict(obj, NULL);
    if (!dict) {
        return -1;
    }
    int result;
    if (PyUnicode_CheckExact(key)) {
        Py_INCREF(key);
        PyUnicode_InternInPlace(&key);
        result = PyDict_SetItem(dict, key, value);
        Py_DECREF(key);
    }
    else {
        result = PyDict_SetItem(dict, key, value);
    }
    Py_DECREF(dict);
    return result;
}

/* Make an instance of a class as `object.__new__` does, which refuses classes that another class must make instances of:
   one that was plain when it was saved may be a dict now. */
static PyObject *
make_plain(Decoder *d, PyObject *cls)
{
    if (cls == d->plain_class) {
        return PyBaseObject_Type.tp_new((PyTypeObject *)cls, empty_arguments, NULL);
    }
    if (!PyType_Check(cls)) {
        PyErr_SetString(PyExc_TypeError, "an object's class is no class");
        return NULL;
    }
    PyObject *made = PyObject_CallOneArg(object_new, cls);
    if (made) {
        Py_XSETREF(d->plain_class, Py_NewRef(cls));
    }
    return made;
}
