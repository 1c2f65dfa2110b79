/* Values, from bytes. */

static PyObject *
int_of(const unsigned char *data, int size)
{
    uint64_t bits = 0;
    for (int i = 0; i < size; i++) {
        bits |= (uint64_t)data[i] << (8 * i);
    }
    if (size < 8 && data[size - 1] & 0x80) {
        bits |= ~(uint64_t)0 << (8 * size);
    }
    return PyLong_FromLongLong((long long)(int64_t)bits);
}

static PyObject *
big_int_of(const unsigned char *data, Py_ssize_t size)
{
    PyObject *method = PyObject_GetAttrString((PyObject *)&PyLong_Type, "from_bytes");
    PyObject *arguments = Py_BuildValue("(y#s)", (const char *)data, size, "little");
    PyObject *keywords = Py_BuildValue("{sO}", "signed", Py_True);
    PyObject *value = method && arguments && keywords ? PyObject_Call(method, arguments, keywords) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return value;
}

static double
double_of(const unsigned char *data)
{
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {
        bits |= (uint64_t)data[i] << (8 * i);
    }
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static PyObject *
text(const unsigned char *data, uint64_t size)
{
    uint64_t i = 0;
    while (i < size && data[i] < 0x80) {
        i++;
    }
    if (i == size && size) {
        PyObject *value = PyUnicode_New((Py_ssize_t)size, 127);
        if (value) {
            memcpy(PyUnicode_DATA(value), data, size);
        }
        return value;
    }
    return PyUnicode_DecodeUTF8((const char *)data, (Py_ssize_t)size, "surrogatepass");
}

static int
read_str(Decoder *d)
{
    const unsigned char *data;
    uint64_t size;
    if (take_sized(d, &data, &size) < 0) {
        return -1;
    }
    PyObject *value = size < SLOT_LEAST ? PyUnicode_DecodeUTF8((const char *)data, (Py_ssize_t)size, "surrogatepass")
                                        : text(data, size);
    if (!value) {
        return -1;
    }
    if (size > SLOT_MOST) {
        return deliver_object(d, value);
    }
    if (size >= SLOT_LEAST && ADD(slots, Py_NewRef(value)) < 0) {
        Py_DECREF(value);
        return -1;
    }
    return deliver(d, value);
}

static int
read_bytes(Decoder *d)
{
    const unsigned char *data;
    uint64_t size;
    if (take_sized(d, &data, &size) < 0) {
        return -1;
    }
    PyObject *value = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    if (!value) {
        return -1;
    }
    return size >= BYTES_LEAST ? deliver_object(d, value) : deliver(d, value);
}

static PyObject *
next_blob(Decoder *d, uint64_t length)
{
    if (d->next_blob >= PyList_GET_SIZE(d->blobs)) {
        broken("a pod lacks a blob");
        return NULL;
    }
    PyObject *blob = PySequence_Tuple(PyList_GET_ITEM(d->blobs, d->next_blob++));
    if (blob && (PyTuple_GET_SIZE(blob) != 2 || PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(blob, 0)) != length)) {
        if (!PyErr_Occurred()) {
            broken("a blob has another length than its pod says");
        }
        Py_CLEAR(blob);
    }
    return blob;
}

static PyObject *
blob_text(Decoder *d, PyObject *blob)
{
    PyObject *data = PyObject_CallMethod(d->source, "blob", "OO", PyTuple_GET_ITEM(blob, 1), PyTuple_GET_ITEM(blob, 0));
    Py_buffer buffer;
    if (!data || PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
        Py_XDECREF(data);
        return NULL;
    }
    PyObject *value = NULL;
    if (buffer.len != PyLong_AsSsize_t(PyTuple_GET_ITEM(blob, 0))) {
        broken("a blob has another length than its pod says");
    }
    else {
        value = PyUnicode_DecodeUTF8(buffer.buf, buffer.len, "surrogatepass");
    }
    PyBuffer_Release(&buffer);
    Py_DECREF(data);
    return value;
}

/* Read into the memory of the value itself: what is large is copied and touched once. */
static PyObject *
blob_bytes(Decoder *d, PyObject *blob, uint64_t length, int writable)
{
    PyObject *digests = PyTuple_GET_ITEM(blob, 1);
    Py_ssize_t pieces = PySequence_Size(digests);
    if (pieces < 0) {
        return NULL;
    }
    if (length > (uint64_t)pieces * PIECE_MOST) {
        broken("a blob has another length than its pod says");
        return NULL;
    }
    PyObject *value = writable ? PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)length)
                               : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (!value) {
        return NULL;
    }
    PyObject *target = writable ? PyMemoryView_FromObject(value)
                                : PyMemoryView_FromMemory(PyBytes_AS_STRING(value), (Py_ssize_t)length, PyBUF_WRITE);
    PyObject *done = target ? PyObject_CallMethod(d->source, "blob_into", "OO", digests, target) : NULL;
    Py_XDECREF(target);
    if (!done) {
        if (writable) {
            Py_DECREF(value);
        } /* else it is never given back: the traceback's frames may hold views of its memory */
        return NULL;
    }
    Py_DECREF(done);
    return value;
}

static int
read_blob(Decoder *d)
{
    const unsigned char *kind;
    uint64_t length;
    if (take(d, 1, &kind) < 0 || number(d, &length) < 0) {
        return -1;
    }
    PyObject *blob = next_blob(d, length);
    if (!blob) {
        return -1;
    }
    int what = *kind, writable = what == BLOB_BYTEARRAY || what == BLOB_WRITABLE;
    PyObject *value = what == BLOB_STR ? blob_text(d, blob) : blob_bytes(d, blob, length, writable);
    Py_DECREF(blob);
    if (!value) {
        return -1;
    }
    return what == BLOB_READ_ONLY || what == BLOB_WRITABLE ? deliver(d, value) : deliver_object(d, value);
}

static int
read_buffer(Decoder *d)
{
    const unsigned char *writable, *data;
    uint64_t size;
    if (take(d, 1, &writable) < 0 || take_sized(d, &data, &size) < 0) {
        return -1;
    }
    PyObject *value = *writable ? PyByteArray_FromStringAndSize((const char *)data, (Py_ssize_t)size)
                                : PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    return value ? deliver(d, value) : -1;
}

static int
read_fill(Decoder *d, int opcode)
{
    Frame *f = d->frames_count ? &d->frames[d->frames_count - 1] : NULL;
    uint64_t length;
    if (!f || !f->obj || f->does != D_PARTS) {
        return broken("memory without an object in a pod's stream");
    }
    if (number(d, &length) < 0) {
        return -1;
    }
    PyObject *target = PyObject_CallMethod(d->source, "memory", "O", f->obj);
    if (!target) {
        return -1;
    }
    int result = -1;
    Py_buffer buffer;
    if (PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) == 0) {
        const unsigned char *data;
        if ((uint64_t)buffer.len != length) {
            broken("an object has another size than its pod says");
        }
        else if (opcode == OP_FILL) {
            PyObject *blob = next_blob(d, length);
            PyObject *done =
                blob ? PyObject_CallMethod(d->source, "blob_into", "OO", PyTuple_GET_ITEM(blob, 1), target) : NULL;
            result = done ? 0 : -1;
            Py_XDECREF(done);
            Py_XDECREF(blob);
        }
        else if (take(d, length, &data) == 0) {
            memcpy(buffer.buf, data, length);
            result = 0;
        }
        PyBuffer_Release(&buffer);
    }
    Py_DECREF(target);
    return result;
}

static int
read_global(Decoder *d)
{
    const unsigned char *module, *name;
    uint64_t module_size, name_size;
    if (take_sized(d, &module, &module_size) < 0 || take_sized(d, &name, &name_size) < 0) {
        return -1;
    }
    PyObject *m = PyUnicode_DecodeUTF8((const char *)module, (Py_ssize_t)module_size, "surrogatepass");
    PyObject *n = PyUnicode_DecodeUTF8((const char *)name, (Py_ssize_t)name_size, "surrogatepass");
    PyObject *value = m && n ? PyObject_CallMethod(d->source, "by_name", "OO", m, n) : NULL;
    Py_XDECREF(m);
    Py_XDECREF(n);
    if (!value) {
        return -1;
    }
    if (ADD(globals, Py_NewRef(value)) < 0) {
        Py_DECREF(value);
        return -1;
    }
    return deliver(d, value);
}

static int
read_reference(Decoder *d, int opcode)
{
    uint64_t back = 0, ordinal;
    if ((opcode == OP_REFB && number(d, &back) < 0) || number(d, &ordinal) < 0) {
        return -1;
    }
    if (back >= (uint64_t)d->bases_count) {
        return broken("a reference before a pod's first chunk");
    }
    uint64_t index = (uint64_t)d->bases[(uint64_t)d->bases_count - 1 - back] + ordinal;
    if (index >= (uint64_t)d->objects_count) {
        return broken("a reference to an object that is not there yet");
    }
    refer(d, (Py_ssize_t)index);
    return deliver(d, Py_NewRef(d->objects[index]));
}

static int
step(Decoder *d, int opcode)
{
    const unsigned char *data;
    uint64_t size;
    switch (opcode) {
    case OP_END:
        return end(d);
    case OP_NONE:
        return deliver(d, Py_NewRef(Py_None));
    case OP_TRUE:
        return deliver(d, Py_NewRef(Py_True));
    case OP_FALSE:
        return deliver(d, Py_NewRef(Py_False));
    case OP_ELLIPSIS:
        return deliver(d, Py_NewRef(Py_Ellipsis));
    case OP_NOT_IMPLEMENTED:
        return deliver(d, Py_NewRef(Py_NotImplemented));
    case OP_INT1:
    case OP_INT2:
    case OP_INT4:
    case OP_INT8: {
        int length = 1 << (opcode - OP_INT1);
        if (take(d, (uint64_t)length, &data) < 0) {
            return -1;
        }
        PyObject *value = int_of(data, length);
        return value ? deliver(d, value) : -1;
    }
    case OP_LONG: {
        if (take_sized(d, &data, &size) < 0) {
            return -1;
        }
        PyObject *value = big_int_of(data, (Py_ssize_t)size);
        return value ? deliver(d, value) : -1;
    }
    case OP_FLOAT: {
        if (take(d, 8, &data) < 0) {
            return -1;
        }
        PyObject *value = PyFloat_FromDouble(double_of(data));
        return value ? deliver(d, value) : -1;
    }
    case OP_COMPLEX: {
        if (take(d, 16, &data) < 0) {
            return -1;
        }
        PyObject *value = PyComplex_FromDoubles(double_of(data), double_of(data + 8));
        return value ? deliver(d, value) : -1;
    }
    case OP_STR:
        return read_str(d);
    case OP_SREF:
        if (number(d, &size) < 0) {
            return -1;
        }
        if (size >= (uint64_t)d->slots_count) {
            return broken("a reference to a string that is not there");
        }
        return deliver(d, Py_NewRef(d->slots[size]));
    case OP_BYTES:
        return read_bytes(d);
    case OP_BYTEARRAY:
        if (take_sized(d, &data, &size) < 0) {
            return -1;
        }
        return deliver_object(d, PyByteArray_FromStringAndSize((const char *)data, (Py_ssize_t)size));
    case OP_BLOB:
        return read_blob(d);
    case OP_BUFFER:
        return read_buffer(d);
    case OP_REF:
    case OP_REFB:
        return read_reference(d, opcode);
    case OP_GLOBAL:
        return read_global(d);
    case OP_GREF:
        if (number(d, &size) < 0) {
            return -1;
        }
        if (size >= (uint64_t)d->globals_count) {
            return broken("a reference to a global that is not there");
        }
        return deliver(d, Py_NewRef(d->globals[size]));
    case OP_NAMESPACE:
        return deliver(d, Py_NewRef(d->name_space));
    case OP_EMPTY_TUPLE: {
        PyObject *value = PyTuple_New(0);
        return value ? deliver(d, value) : -1;
    }
    case OP_LIST:
        return open_container(d, opcode, D_LIST, PyList_New(0));
    case OP_DICT:
        return open_container(d, opcode, D_PAIRS, PyDict_New());
    case OP_SET:
        return open_container(d, opcode, D_SET, PySet_New(NULL));
    case OP_TUPLE:
    case OP_FROZENSET:
    case OP_REDUCE:
    case OP_NEW:
    case OP_NEW_EX:
        return open_frame(d, opcode, D_COLLECT, NULL);
    case OP_OBJECT:
        return open_frame(d, opcode, D_CLASS, NULL);
    case OP_CALL:
        return call(d);
    case OP_SAME:
        if (!d->frames_count) {
            return broken("nothing to replace in a pod's stream");
        }
        d->frames[d->frames_count - 1].does = D_SAME;
        return 0;
    case OP_STATE:
    case OP_ATTRS:
    case OP_DICT_STATE:
    case OP_ITEMS:
    case OP_PAIRS:
    case OP_SETTER:
        return part(d, opcode);
    case OP_FILL:
    case OP_FILL_INLINE:
        return read_fill(d, opcode);
    default:
        if (opcode >= OP_SMALL) {
            PyObject *value = PyLong_FromLong(opcode - OP_SMALL + SMALL_LEAST);
            return value ? deliver(d, value) : -1;
        }
        return broken("an unknown opcode in a pod's stream");
    }
}
