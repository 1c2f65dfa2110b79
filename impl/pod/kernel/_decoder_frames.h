/* What each frame does with a value, and with its end. */

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
                PyObject *key = f->key;
                f->key = NULL;
                if (f->kind == OP_DICT) {
                    result = give(d, key, value);
                }
                else {
                    PyObject *obj = Py_NewRef(f->obj);
                    result = f->does == D_ATTRS ? set_attribute(obj, key, value) : PyObject_SetItem(obj, key, value);
                    Py_DECREF(obj);
                }
                Py_DECREF(key);
            }
            break;
        case D_SET:
            result = give(d, value, NULL);
            break;
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
            close_frame(d);
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

/* Make a frozenset of its members. That reference is taken over. */
static PyObject *
frozen(Decoder *d, PyObject *members)
{
    PyObject *made = PyFrozenSet_New(members);
    if (made && d->frames[d->frames_count - 1].needs != NOTHING && put_off(d, made, members) < 0) {
        Py_CLEAR(made);
    }
    Py_DECREF(members);
    return made;
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
            value = frozen(d, value);
        }
        if (!value) {
            return -1;
        }
        close_frame(d);
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
    if (f->late && put_off(d, f->obj, f->late) < 0) {
        return -1;
    }
    PyObject *obj = Py_NewRef(f->obj);
    close_frame(d);
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
