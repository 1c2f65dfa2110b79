/* The module pod.kernel._kernel. */

#include "_kernel.h"

PyObject *pod_class, *stale_class;

/* As pod/kernel/_bindings.py says: both dicts are walked side by side, by the addresses in them. */
static PyObject *
binds_the_same(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *mapping, *seen, *others;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyDict_Type, &mapping, &PyDict_Type, &seen, &PySet_Type, &others)) {
        return NULL;
    }
    PyObject *name, *value, *seen_name, *seen_value;
    Py_ssize_t at = 0, next = 0;
    int more = PyDict_Next(seen, &next, &seen_name, &seen_value);
    while (PyDict_Next(mapping, &at, &name, &value)) {
        if (more && name == seen_name && value == seen_value) {
            more = PyDict_Next(seen, &next, &seen_name, &seen_value);
            continue;
        }
        int other = PyUnicode_CheckExact(name) ? PySet_Contains(others, name) : 0;
        if (other <= 0) {
            return other < 0 ? NULL : Py_NewRef(Py_False);
        }
    }
    return PyBool_FromLong(!more);
}

static PyMethodDef functions[] = {
    {"binds_the_same", binds_the_same, METH_VARARGS, "Say whether a dict binds the names of another to the same objects."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pod.kernel._kernel",
    .m_doc = "The encoder and the decoder of pod.graph, compiled.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    PyObject *types = PyImport_ImportModule("pod.graph._types");
    if (!types) {
        return NULL;
    }
    pod_class = PyObject_GetAttrString(types, "Pod");
    stale_class = PyObject_GetAttrString(types, "StaleMet");
    Py_DECREF(types);
    if (!pod_class || !stale_class || PyType_Ready(&PodState_Type) < 0 || PyType_Ready(&Encoder_Type) < 0 ||
        PyType_Ready(&Decoder_Type) < 0) {
        return NULL;
    }
    PyObject *module = PyModule_Create(&definition);
    if (module && (PyModule_AddObjectRef(module, "Encoder", (PyObject *)&Encoder_Type) < 0 ||
                   PyModule_AddObjectRef(module, "Decoder", (PyObject *)&Decoder_Type) < 0 ||
                   PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST) < 0)) {
        Py_CLEAR(module);
    }
    return module;
}
