/* The module pod.kernel._kernel. */

#include "_kernel.h"

PyObject *pod_class, *stale_class;

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pod.kernel._kernel",
    .m_doc = "The encoder and the decoder of pod.graph, compiled.",
    .m_size = -1,
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
