/* Values that are written at once. */

/* Values that need no frame */

static int
store_blob(Encoder *e, PyObject *data, uint64_t size)
{
    PyObject *digests = PyObject_CallOneArg(e->put_blob, data);
    if (!digests) {
        return -1;
    }
    Writer *w = TOP(e);
    PyObject *blob = Py_BuildValue("(KN)", (unsigned long long)size, digests);
    int result = blob ? PyList_Append(w->blobs, blob) : -1;
    Py_XDECREF(blob);
    w->total += size;
    return result;
}

static int
emit_blob(Encoder *e, int kind, PyObject *data, uint64_t size)
{
    Writer *w = TOP(e);
    if (emit(w, OP_BLOB) < 0 || emit(w, kind) < 0 || emit_number(w, -1, size) < 0) {
        return -1;
    }
    return store_blob(e, data, size);
}

/* 1: the pod holds it already and a reference was written; 0: it has an ordinal now. */
static int
repeats(Writer *w, PyObject *obj, Py_ssize_t references)
{
    uint32_t ordinal;
    if (map_find(&w->longs, obj, &ordinal)) {
        return refer_within(w, ordinal) < 0 ? -1 : 1;
    }
    if (w->next >= UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "a pod holds at most 4294967295 objects");
        return -1;
    }
    if (references > 1) {
        if (map_add(&w->longs, obj, (uint32_t)w->next) < 0) {
            return -1;
        }
        Py_INCREF(obj);
    }
    w->next++;
    return 0;
}

static int
emit_bytes_object(Encoder *e, PyObject *obj, Py_ssize_t references)
{
    Writer *w = TOP(e);
    Py_ssize_t size = PyBytes_GET_SIZE(obj);
    w->content += content_of(PyBytes_AS_STRING(obj), (size_t)size);
    if (size >= BYTES_LEAST) {
        int found = repeats(w, obj, references);
        if (found) {
            return found < 0 ? -1 : 0;
        }
        if (size >= BLOB_LEAST) {
            return emit_blob(e, BLOB_BYTES, obj, (uint64_t)size);
        }
    }
    if (emit_number(w, OP_BYTES, (uint64_t)size) < 0) {
        return -1;
    }
    return emit_bytes(w, PyBytes_AS_STRING(obj), (size_t)size);
}

static inline int
same_text(PyObject *a, PyObject *b)
{
    if (a == b) {
        return 1;
    }
    Py_ssize_t size = PyUnicode_GET_LENGTH(a);
    return size == PyUnicode_GET_LENGTH(b) && PyUnicode_KIND(a) == PyUnicode_KIND(b) &&
           !memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)(size * PyUnicode_KIND(a)));
}

static int
grow_slots(Writer *w)
{
    Py_ssize_t room = w->slot_index ? (w->slot_mask + 1) * 4 : 256;
    uint32_t *index = PyMem_Calloc((size_t)room, sizeof(uint32_t));
    if (!index) {
        PyErr_NoMemory();
        return -1;
    }
    size_t mask = (size_t)room - 1;
    for (Py_ssize_t i = 0; i < w->slots_count; i++) {
        size_t at = (size_t)PyObject_Hash(w->slots[i]) & mask;
        while (index[at]) {
            at = (at + 1) & mask;
        }
        index[at] = (uint32_t)i + 1;
    }
    PyMem_Free(w->slot_index);
    w->slot_index = index;
    w->slot_mask = room - 1;
    return 0;
}

/* 1: a reference to an equal string of this chunk was written; 0: there is none, and *place is where it belongs. */
static int
find_slot(Writer *w, PyObject *obj, size_t *place)
{
    if ((!w->slot_index || w->slots_count * 2 >= w->slot_mask) && grow_slots(w) < 0) {
        return -1;
    }
    size_t mask = (size_t)w->slot_mask;
    size_t at = (size_t)PyObject_Hash(obj) & mask;
    while (w->slot_index[at]) {
        uint32_t slot = w->slot_index[at] - 1;
        if (same_text(w->slots[slot], obj)) {
            return emit_number(w, OP_SREF, slot) < 0 ? -1 : 1;
        }
        at = (at + 1) & mask;
    }
    *place = at;
    return 0;
}

static int
emit_str(Encoder *e, PyObject *obj, Py_ssize_t references)
{
    Writer *w = TOP(e);
    size_t near = mix_pointer(obj) & (RECENT - 1);
    if (w->recent && w->recent[near].text == obj) {
        w->content += w->recent[near].content;
        return emit_number(w, OP_SREF, w->recent[near].slot);
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(obj);
    size_t place = 0;
    uint64_t content = content_of(PyUnicode_DATA(obj), (size_t)(length * PyUnicode_KIND(obj)));
    w->content += content;
    if (length <= SLOT_MOST && !(length < SLOT_LEAST && PyUnicode_IS_ASCII(obj))) {
        int found = find_slot(w, obj, &place);
        if (found) {
            return found < 0 ? -1 : 0;
        }
    }
    PyObject *encoded = NULL;
    const char *data;
    Py_ssize_t size;
    if (PyUnicode_IS_ASCII(obj)) {
        data = (const char *)PyUnicode_DATA(obj);
        size = length;
    }
    else {
        encoded = PyUnicode_AsEncodedString(obj, "utf-8", "surrogatepass");
        if (!encoded) {
            return -1;
        }
        data = PyBytes_AS_STRING(encoded);
        size = PyBytes_GET_SIZE(encoded);
    }
    int result = -1;
    if (size > SLOT_MOST) {
        int found = repeats(w, obj, references);
        if (found) {
            result = found < 0 ? -1 : 0;
            goto end;
        }
        if (size >= BLOB_LEAST) {
            if (!encoded && !(encoded = PyBytes_FromStringAndSize(data, size))) {
                goto end;
            }
            result = emit_blob(e, BLOB_STR, encoded, (uint64_t)size);
            goto end;
        }
    }
    else if (size >= SLOT_LEAST) {
        if (GROW(w->slots, w->slots_room, w->slots_count + 1) < 0) {
            goto end;
        }
        if (!w->recent && !(w->recent = PyMem_Calloc(RECENT, sizeof(Recent)))) {
            PyErr_NoMemory();
            goto end;
        }
        w->recent[near].text = obj;
        w->recent[near].content = content;
        w->recent[near].slot = (uint32_t)w->slots_count;
        w->slots[w->slots_count++] = Py_NewRef(obj);
        w->slot_index[place] = (uint32_t)w->slots_count;
    }
    if (emit_number(w, OP_STR, (uint64_t)size) == 0) {
        result = emit_bytes(w, data, (size_t)size);
    }
end:
    Py_XDECREF(encoded);
    return result;
}

static int
emit_big_int(Writer *w, PyObject *obj)
{
    PyObject *bits_object = PyObject_CallMethod(obj, "bit_length", NULL);
    if (!bits_object) {
        return -1;
    }
    Py_ssize_t bits = PyLong_AsSsize_t(bits_object);
    Py_DECREF(bits_object);
    /* The length in two's complement: a power of two's negative needs one bit less. */
    PyObject *zero = PyLong_FromLong(0);
    int negative = zero ? PyObject_RichCompareBool(obj, zero, Py_LT) : -1;
    Py_XDECREF(zero);
    if (negative < 0) {
        return -1;
    }
    if (negative) {
        PyObject *inverted = PyNumber_Invert(obj);
        bits_object = inverted ? PyObject_CallMethod(inverted, "bit_length", NULL) : NULL;
        Py_XDECREF(inverted);
        if (!bits_object) {
            return -1;
        }
        bits = PyLong_AsSsize_t(bits_object);
        Py_DECREF(bits_object);
    }
    Py_ssize_t size = (bits + 1 + 7) / 8;
    PyObject *method = PyObject_GetAttrString(obj, "to_bytes");
    PyObject *arguments = Py_BuildValue("(ns)", size, "little");
    PyObject *keywords = Py_BuildValue("{sO}", "signed", Py_True);
    PyObject *data = method && arguments && keywords ? PyObject_Call(method, arguments, keywords) : NULL;
    int result = -1;
    if (data && emit_number(w, OP_LONG, (uint64_t)size) == 0) {
        w->content += content_of(PyBytes_AS_STRING(data), (size_t)size);
        result = emit_bytes(w, PyBytes_AS_STRING(data), (size_t)size);
    }
    Py_XDECREF(method);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    Py_XDECREF(data);
    return result;
}

static int
emit_int(Writer *w, PyObject *obj)
{
    int overflow;
    int64_t value = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (overflow) {
        return emit_big_int(w, obj);
    }
    w->content += content_of_number((uint64_t)value);
    if (value >= SMALL_LEAST && value <= SMALL_MOST) {
        return emit(w, OP_SMALL + (int)(value - SMALL_LEAST));
    }
    unsigned char *to = reserve(w, 9);
    if (!to) {
        return -1;
    }
    int size, opcode;
    if (value >= INT8_MIN && value <= INT8_MAX) {
        size = 1, opcode = OP_INT1;
    }
    else if (value >= INT16_MIN && value <= INT16_MAX) {
        size = 2, opcode = OP_INT2;
    }
    else if (value >= INT32_MIN && value <= INT32_MAX) {
        size = 4, opcode = OP_INT4;
    }
    else {
        size = 8, opcode = OP_INT8;
    }
    *to++ = (unsigned char)opcode;
    for (int i = 0; i < size; i++) {
        *to++ = (unsigned char)((uint64_t)value >> (8 * i));
    }
    w->size += (size_t)size + 1;
    return 0;
}

static uint64_t
put_double(unsigned char *to, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    for (int i = 0; i < 8; i++) {
        to[i] = (unsigned char)(bits >> (8 * i));
    }
    return bits;
}

/* 1: it was an atom and is written; 0: it is none; -1: an error. `references`: how many there are but ours. */
static inline int
emit_atom(Encoder *e, PyObject *obj, PyTypeObject *type, Py_ssize_t references)
{
    Writer *w;
    if (type == &PyUnicode_Type) {
        return emit_str(e, obj, references) < 0 ? -1 : 1;
    }
    if (type == &PyLong_Type) {
        return emit_int(TOP(e), obj) < 0 ? -1 : 1;
    }
    if (type == &PyBytes_Type) {
        return emit_bytes_object(e, obj, references) < 0 ? -1 : 1;
    }
    if (type == &PyFloat_Type) {
        w = TOP(e);
        unsigned char *to = reserve(w, 9);
        if (!to) {
            return -1;
        }
        to[0] = OP_FLOAT;
        w->content += content_of_number(put_double(to + 1, PyFloat_AS_DOUBLE(obj)));
        w->size += 9;
        return 1;
    }
    int opcode;
    if (obj == Py_None) {
        opcode = OP_NONE;
    }
    else if (obj == Py_True) {
        opcode = OP_TRUE;
    }
    else if (obj == Py_False) {
        opcode = OP_FALSE;
    }
    else if (type == &PyTuple_Type && !PyTuple_GET_SIZE(obj)) {
        opcode = OP_EMPTY_TUPLE;
    }
    else if (type == &PyComplex_Type) {
        w = TOP(e);
        unsigned char *to = reserve(w, 17);
        if (!to) {
            return -1;
        }
        to[0] = OP_COMPLEX;
        put_double(to + 1, PyComplex_RealAsDouble(obj));
        put_double(to + 9, PyComplex_ImagAsDouble(obj));
        w->content += content_of(to + 1, 16);
        w->size += 17;
        return 1;
    }
    else if (obj == Py_Ellipsis) {
        opcode = OP_ELLIPSIS;
    }
    else if (obj == Py_NotImplemented) {
        opcode = OP_NOT_IMPLEMENTED;
    }
    else {
        return 0;
    }
    return emit(TOP(e), opcode) < 0 ? -1 : 1;
}

static int
is_atom(PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    return type == &PyUnicode_Type || type == &PyLong_Type || type == &PyBytes_Type || type == &PyFloat_Type ||
           type == &PyBool_Type || type == &PyComplex_Type || obj == Py_None || obj == Py_Ellipsis ||
           obj == Py_NotImplemented || (type == &PyTuple_Type && !PyTuple_GET_SIZE(obj));
}

static int
emit_global(Encoder *e, PyObject *name)
{
    Writer *w = TOP(e);
    if (name == w->last_global) {
        return emit_number(w, OP_GREF, (uint64_t)w->last_global_slot);
    }
    PyObject *slot = PyDict_GetItemWithError(w->global_slots, name);
    if (slot) {
        w->last_global = name;
        w->last_global_slot = PyLong_AsSsize_t(slot);
        return emit_number(w, OP_GREF, (uint64_t)w->last_global_slot);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    slot = PyLong_FromSsize_t(PyDict_GET_SIZE(w->global_slots));
    int result = slot ? PyDict_SetItem(w->global_slots, name, slot) : -1;
    Py_XDECREF(slot);
    if (result < 0 || emit(w, OP_GLOBAL) < 0) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        PyObject *data = PyUnicode_AsEncodedString(PyTuple_GET_ITEM(name, i), "utf-8", "surrogatepass");
        if (!data) {
            return -1;
        }
        result = emit_number(w, -1, (uint64_t)PyBytes_GET_SIZE(data));
        if (result == 0) {
            result = emit_bytes(w, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
        }
        Py_DECREF(data);
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

static int
emit_buffer(Encoder *e, PyObject *view)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(view, &buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    int result = -1;
    if (buffer.len >= BLOB_LEAST) {
        result = emit_blob(e, buffer.readonly ? BLOB_READ_ONLY : BLOB_WRITABLE, view, (uint64_t)buffer.len);
    }
    else {
        Writer *w = TOP(e);
        if (emit(w, OP_BUFFER) == 0 && emit(w, !buffer.readonly) == 0 &&
            emit_number(w, -1, (uint64_t)buffer.len) == 0) {
            result = emit_bytes(w, buffer.buf, (size_t)buffer.len);
        }
    }
    PyBuffer_Release(&buffer);
    return result;
}

static int
emit_fill(Encoder *e, PyObject *obj)
{
    Py_buffer buffer;
    PyObject *view = PyObject_CallOneArg(e->memory, obj);
    if (!view || PyObject_GetBuffer(view, &buffer, PyBUF_SIMPLE) < 0) {
        Py_XDECREF(view);
        return -1;
    }
    int result = -1;
    Writer *w = TOP(e);
    w->content += content_of(buffer.buf, (size_t)buffer.len);
    if (buffer.len >= BLOB_LEAST) {
        if (emit_number(w, OP_FILL, (uint64_t)buffer.len) == 0) {
            result = store_blob(e, view, (uint64_t)buffer.len);
        }
    }
    else if (emit_number(w, OP_FILL_INLINE, (uint64_t)buffer.len) == 0) {
        result = emit_bytes(w, buffer.buf, (size_t)buffer.len);
    }
    PyBuffer_Release(&buffer);
    Py_DECREF(view);
    return result;
}

static int
emit_bytearray(Encoder *e, PyObject *obj, int remember, uint32_t edge)
{
    Entry *entry;
    if (enroll(e, obj, remember, edge, &entry) < 0) {
        return -1;
    }
    Py_ssize_t size = PyByteArray_GET_SIZE(obj);
    TOP(e)->content += content_of(PyByteArray_AS_STRING(obj), (size_t)size);
    if (size >= BLOB_LEAST) {
        return emit_blob(e, BLOB_BYTEARRAY, obj, (uint64_t)size);
    }
    Writer *w = TOP(e);
    if (emit_number(w, OP_BYTEARRAY, (uint64_t)size) < 0) {
        return -1;
    }
    return emit_bytes(w, PyByteArray_AS_STRING(obj), (size_t)size);
}
