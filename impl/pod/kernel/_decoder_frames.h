/* The stack of frames, and what each does with a value. */

enum { D_COLLECT, D_LIST, D_PAIRS, D_SET, D_CLASS, D_STATE, D_OWN_DICT, D_ATTRS, D_APPEND, D_SETTER, D_PARTS, D_SAME };

typedef struct {
    PyObject *obj; /* owned */
    PyObject *key; /* owned: a pair's first half, or a setter */
    Py_ssize_t base; /* where this frame's values begin on the stack */
    uint8_t kind, does;
    uint8_t late; /* a key was put off: so are all that follow, for a dict keeps its order */
} Frame;

typedef struct {
    PyObject_HEAD
    PyObject *streams, *blobs, *references, *source, *name_space, *root;
    PyObject *set_state; /* pod.graph's */
    PyObject *late;        /* list of (container, key[, value]) that were put off, or NULL */
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
} Decoder;

static PyObject *append_name, *extend_name, *empty_arguments, *object_new;

static int
grow(void **array, Py_ssize_t *room, size_t item)
{
    Py_ssize_t wanted = *room ? *room * 2 : 64;
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
    f->base = d->values_count;
    f->kind = (uint8_t)kind;
    f->does = (uint8_t)does;
    f->late = 0;
    return 0;
}

static int
open_container(Decoder *d, int kind, int does, PyObject *obj)
{
    if (!obj) {
        return -1;
    }
    if (ADD(objects, Py_NewRef(obj)) < 0) {
        Py_DECREF(obj); /* the reference that was to be the table's is lost with the process's memory */
        return -1;
    }
    return open_frame(d, kind, does, obj);
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

/* Put off what a container could not take, for a key's `__hash__` may ask for attributes that the key does not have yet. */
static int
put_off(Decoder *d, PyObject *container, PyObject *key, PyObject *value)
{
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear();
    }
    if (!d->late && !(d->late = PyList_New(0))) {
        return -1;
    }
    PyObject *item = value ? PyTuple_Pack(3, container, key, value) : PyTuple_Pack(2, container, key);
    int result = item ? PyList_Append(d->late, item) : -1;
    Py_XDECREF(item);
    return result;
}

/* Give containers what was put off. */
static int
settle_late(Decoder *d)
{
    PyObject *late = d->late;
    d->late = NULL;
    int result = 0;
    for (Py_ssize_t i = 0; late && i < PyList_GET_SIZE(late) && result == 0; i++) {
        PyObject *item = PyList_GET_ITEM(late, i);
        PyObject *container = PyTuple_GET_ITEM(item, 0), *key = PyTuple_GET_ITEM(item, 1);
        result = PyTuple_GET_SIZE(item) == 3 ? PyDict_SetItem(container, key, PyTuple_GET_ITEM(item, 2))
                                             : PySet_Add(container, key);
    }
    Py_XDECREF(late);
    return result;
}

static int
call_with(PyObject *callable, PyObject *first, PyObject *second)
{
    PyObject *result = PyObject_CallFunctionObjArgs(callable, first, second, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Give a value to the innermost frame. The reference is taken over, also on error. */
static int
deliver(Decoder *d, PyObject *value)
{
    for (;;) {
        if (!d->frames_count) {
            Py_XSETREF(d->root, value);
            return 0;
        }
        Frame *f = &d->frames[d->frames_count - 1];
        int result = 0;
        switch (f->does) {
        case D_COLLECT:
        case D_APPEND:
            if (ADD(values, value) < 0) {
                Py_DECREF(value);
                return -1;
            }
            return 0;
        case D_LIST:
            result = PyList_Append(f->obj, value);
            break;
        case D_PAIRS:
        case D_ATTRS:
            if (!f->key) {
                f->key = value;
                return 0;
            }
            else {
                PyObject *key = f->key, *obj = Py_NewRef(f->obj);
                f->key = NULL;
                if (f->does == D_ATTRS || !PyDict_CheckExact(obj)) {
                    result = f->does == D_ATTRS ? set_attribute(obj, key, value) : PyObject_SetItem(obj, key, value);
                }
                else if (f->late || PyDict_SetItem(obj, key, value) < 0) {
                    d->frames[d->frames_count - 1].late = 1;
                    result = put_off(d, obj, key, value);
                }
                Py_DECREF(obj);
                Py_DECREF(key);
            }
            break;
        case D_SET: {
            PyObject *obj = Py_NewRef(f->obj);
            result = PySet_Add(obj, value) < 0 ? put_off(d, obj, value, NULL) : 0;
            Py_DECREF(obj);
            break;
        }
        case D_CLASS: {
            PyObject *obj = make_plain(d, value);
            Py_DECREF(value);
            if (!obj) {
                return -1;
            }
            f = &d->frames[d->frames_count - 1];
            f->obj = obj;
            f->does = D_ATTRS;
            return ADD(objects, Py_NewRef(obj));
        }
        case D_STATE: {
            PyObject *obj = Py_NewRef(f->obj);
            f->does = D_PARTS;
            result = call_with(d->set_state, obj, value);
            Py_DECREF(obj);
            break;
        }
        case D_OWN_DICT: {
            PyObject *obj = Py_NewRef(f->obj);
            f->does = f->kind == OP_OBJECT ? D_ATTRS : D_PARTS;
            result = PyObject_GenericSetDict(obj, value, NULL);
            Py_DECREF(obj);
            break;
        }
        case D_SETTER:
            if (!f->key) {
                f->key = value;
                return 0;
            }
            else {
                PyObject *setter = f->key, *obj = Py_NewRef(f->obj);
                f->key = NULL;
                f->does = D_PARTS;
                result = call_with(setter, obj, value);
                Py_DECREF(obj);
                Py_DECREF(setter);
            }
            break;
        case D_SAME:
            drop_frame(d);
            continue; /* it goes to the frame outside */
        default:
            Py_DECREF(value);
            return broken("a value where a pod's stream has none");
        }
        Py_DECREF(value);
        return result;
    }
}

/* Ends */

static PyObject *
collected(Decoder *d, Frame *f)
{
    Py_ssize_t size = d->values_count - f->base;
    PyObject *tuple = PyTuple_New(size);
    if (tuple) {
        for (Py_ssize_t i = 0; i < size; i++) {
            PyTuple_SET_ITEM(tuple, i, d->values[f->base + i]);
        }
        d->values_count = f->base;
    }
    return tuple;
}

static int
append_all(PyObject *obj, PyObject *values)
{
    PyObject *extend = PyObject_GetAttr(obj, extend_name);
    if (extend) {
        PyObject *list = PySequence_List(values);
        PyObject *result = list ? PyObject_CallOneArg(extend, list) : NULL;
        Py_XDECREF(list);
        Py_DECREF(extend);
        Py_XDECREF(result);
        return result ? 0 : -1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(values); i++) {
        PyObject *result = PyObject_CallMethodOneArg(obj, append_name, PyTuple_GET_ITEM(values, i));
        if (!result) {
            return -1;
        }
        Py_DECREF(result);
    }
    return 0;
}

static int
end(Decoder *d)
{
    if (!d->frames_count) {
        return broken("an end without a beginning in a pod's stream");
    }
    Frame *f = &d->frames[d->frames_count - 1];
    if (f->kind == OP_TUPLE || f->kind == OP_FROZENSET) {
        PyObject *value = collected(d, f);
        if (value && f->kind == OP_FROZENSET) {
            Py_SETREF(value, PyFrozenSet_New(value));
        }
        drop_frame(d);
        return deliver_object(d, value);
    }
    if ((f->kind == OP_REDUCE || f->kind == OP_NEW || f->kind == OP_NEW_EX) && f->does != D_PARTS) {
        int result = 0;
        int does = f->does;
        f->does = D_PARTS;
        if (does == D_APPEND) {
            PyObject *values = collected(d, f);
            PyObject *obj = Py_NewRef(f->obj);
            result = values ? append_all(obj, values) : -1;
            Py_XDECREF(values);
            Py_DECREF(obj);
        }
        else if (does != D_PAIRS && does != D_ATTRS) {
            result = broken("a pod's stream ends something that was not begun");
        }
        return result;
    }
    if (f->key || !f->obj) {
        return broken("a pod's stream ends in the middle of a pair");
    }
    PyObject *obj = Py_NewRef(f->obj);
    drop_frame(d);
    return deliver(d, obj);
}

static int
call(Decoder *d)
{
    Frame *f = d->frames_count ? &d->frames[d->frames_count - 1] : NULL;
    if (!f || f->does != D_COLLECT || d->values_count == f->base) {
        return broken("a call without a callable in a pod's stream");
    }
    int kind = f->kind;
    PyObject *values = collected(d, f);
    if (!values) {
        return -1;
    }
    PyObject *obj = NULL;
    PyObject *callable = PyTuple_GET_ITEM(values, 0);
    Py_ssize_t size = PyTuple_GET_SIZE(values);
    if (kind == OP_REDUCE) {
        obj = PyObject_Vectorcall(callable, &PyTuple_GET_ITEM(values, 1), (size_t)size - 1, NULL);
    }
    else {
        PyObject *make = PyObject_GetAttrString(callable, "__new__");
        if (make && kind == OP_NEW) {
            obj = PyObject_Call(make, values, NULL);
        }
        else if (make && size == 3 && PyTuple_Check(PyTuple_GET_ITEM(values, 1))) {
            PyObject *cls = PyTuple_Pack(1, callable);
            PyObject *arguments = cls ? PySequence_Concat(cls, PyTuple_GET_ITEM(values, 1)) : NULL;
            obj = arguments ? PyObject_Call(make, arguments, PyTuple_GET_ITEM(values, 2)) : NULL;
            Py_XDECREF(cls);
            Py_XDECREF(arguments);
        }
        else if (make) {
            broken("__new__ without its arguments in a pod's stream");
        }
        Py_XDECREF(make);
    }
    Py_DECREF(values);
    if (!obj) {
        return -1;
    }
    f = &d->frames[d->frames_count - 1];
    f->obj = obj;
    f->does = D_PARTS;
    return ADD(objects, Py_NewRef(obj));
}

static int
part(Decoder *d, int opcode)
{
    Frame *f = d->frames_count ? &d->frames[d->frames_count - 1] : NULL;
    if (!f || !f->obj || (f->does != D_PARTS && !(f->kind == OP_OBJECT && opcode == OP_DICT_STATE))) {
        return broken("a part without an object in a pod's stream");
    }
    switch (opcode) {
    case OP_STATE:
        f->does = D_STATE;
        break;
    case OP_ATTRS:
        f->does = D_ATTRS;
        break;
    case OP_DICT_STATE:
        f->does = D_OWN_DICT;
        break;
    case OP_ITEMS:
        f->does = D_APPEND;
        break;
    case OP_PAIRS:
        f->does = D_PAIRS;
        break;
    default:
        f->does = D_SETTER;
    }
    return 0;
}
