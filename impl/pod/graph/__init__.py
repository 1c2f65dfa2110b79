"""Objects as pods: the heart of the store, and its pure-Python form. `pod.kernel` is the same, compiled.

Why this is hard
----------------
A version must give back equal values *and* equal sharing: what was one object stays one, across variables, through
tuples, closures, classes, array views and cycles, whether all names are loaded or one. Saving again must cost what
changed, so most of a graph must not be looked at, and what is looked at must give the same bytes as before, in any process.
And a graph may be 100,000 levels deep, or change under the hands of its own `__reduce__`.

How it works
------------
One walk writes everything, with a stack of its own in place of recursion. It is pickle's walk: containers first and then
what is in them, `__reduce_ex__(5)` for what it does not know, cloudpickle's rules for what `__main__` defines (`_reduce`).
What it meets it remembers in one table: object -> (pod, ordinal). So there is one question, asked of every object
once: is it known? If not, it is written here. If so, a reference is written: within the pod by ordinal, into another pod by the
object's **oid**, a number that it gets when it is first referred to from another pod, and keeps from save to save.

A **pod** is what one root leads to and no earlier pod holds. Roots are variables, in the order of their names; classes by value
are cut out wherever they are met; a `Podding` may cut out more. A pod that is cut out while another is being written is
read the same way: the decoder of the outer stops, the inner is read, the outer goes on. So cycles across pods need no
special form; a pod that leads back into the one it was cut out of is marked as to be read *within* that one.

Bytes do not depend on addresses, hash seeds, or what lies in other pods. A stream has no counts and no positions, is cut
into chunks where its content says so (`_ops`), and refers relative to its chunk, so an insertion changes the chunk it falls
into. Large buffers lie beside the stream.

A save writes only **active** pods (`pod.store._session`): the encoder forgets their objects, and writes their variables again.
References from pods that are not active still hold, for an object with an oid keeps it wherever it lies now. If the walk meets
an object of a pod that was thought untouched, it stops (`StaleMet`), and the save starts over with that pod active: a
remembered address is never trusted across saves, it can only cost time. At the end every reference that was seen is compared
with the interpreter's reference counts: what somebody else holds too makes its pod **exposed**, and active in every save. So
does an object that holds it and does not tell, unless its pod leads there all the same.

Prior art, and what was rejected
--------------------------------
Chipmink (PVLDB 19) pods with the pure-Python pickler and a shared memo of pages; its bytes hold addresses, and what
connects variables is guessed by type. ZODB and icechunk taught the append-only log and content-addressed trees below.

- The C pickler with `persistent_id`: it finds shared objects too late, when their owner's stream is already written, so it needs
  a scan before it, owner tables, cuts and repeated rounds, and a budget of C recursion. It also memoises everything. Our walk in
  C is faster than it, and knows each object's owner when it is met.
- One stream per variable cut into content-defined chunks: nothing could be loaded in part, and nothing left unlooked at.
- Merging variables that share something into one pod: one shared list would make a thousand variables one.
- Shells for cycles across pods: not every type has one; reading in the order of writing always works.

::

    Encoder(host, apart_least, objects)      writes objects as pods: begin, encode, finish; what it knows lasts from save to save
    BUNDLE, SPLIT, FINAL            what a host decides of an object that it is shown
    Decoder(streams, blobs, references, source, namespace)      reads one pod: run until it is done
    Reducer(namespace)              takes apart what the encoder does not know
    Pod, Reduced, Host, Source      what these say to each other
    StaleMet                        the walk met a pod that was thought untouched
"""

from __future__ import annotations

from pod.graph._atoms import encode_atom
from pod.graph._decoder import Decoder
from pod.graph._encoder import Encoder
from pod.graph._names import by_name, module_of, name_of
from pod.graph._order import in_order
from pod.graph._reduce import Reducer, memory
from pod.graph._types import APART, BUNDLE, FINAL, SPLIT, Host, Pod, Reduced, Source, StaleMet

__all__ = [
    "APART",
    "BUNDLE",
    "FINAL",
    "SPLIT",
    "Decoder",
    "Encoder",
    "Host",
    "Pod",
    "Reduced",
    "Reducer",
    "Source",
    "StaleMet",
    "by_name",
    "encode_atom",
    "in_order",
    "memory",
    "module_of",
    "name_of",
]
