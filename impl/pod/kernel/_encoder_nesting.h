/* Which pods of one root can be read only while which other is: pod/graph/_nesting.py, compiled. */

static int
nest_open(Encoder *e, PodState *state, PyObject *pod)
{
    if (GROW(e->places, e->places_room, e->places_count + 1) < 0) {
        return -1;
    }
    state->walk = e->walk;
    state->place = e->places_count;
    e->places[e->places_count++] = (Place){.pod = pod, .at = e->writers_count, .within = -1, .up = -1};
    return 0;
}

/* Note a reference from the innermost pod into another one. */
static void
nest_refer(Encoder *e, PodState *state)
{
    if (state->walk != e->walk) {
        return; /* of a root that was written before */
    }
    Py_ssize_t number = state->place;
    while (number >= 0 && e->places[number].at < 0) {
        number = e->places[number].up;
    }
    for (Py_ssize_t closed = state->place; closed != number;) {
        Py_ssize_t next = e->places[closed].up;
        e->places[closed].up = number;
        closed = next;
    }
    if (number >= 0 && e->places[number].at < TOP(e)->outermost) {
        TOP(e)->outermost = e->places[number].at;
    }
}

/* End the innermost pod. */
static int
nest_close(Encoder *e)
{
    Writer *w = TOP(e);
    Py_ssize_t outermost = w->outermost, around = e->writers_count - 1;
    Place *place = &e->places[w->state->place];
    place->at = -1;
    if (outermost >= around) {
        return 0;
    }
    Writer *outer = &e->writers[around - 1];
    if (outer->outermost > outermost) {
        outer->outermost = outermost;
    }
    place->within = place->up = outer->state->place;
    return set_number(w->pod, "within", (uint64_t)outer->state->oid);
}

/* Give the innermost pod another oid. */
static int
nest_rename(Encoder *e, int64_t oid)
{
    PodState *state = TOP(e)->state;
    state->oid = oid;
    if (set_number(TOP(e)->pod, "oid", (uint64_t)oid) < 0) {
        return -1;
    }
    for (Py_ssize_t inner = state->place + 1; inner < e->places_count; inner++) {
        Place *place = &e->places[inner];
        if (place->within == state->place && set_number(place->pod, "within", (uint64_t)oid) < 0) {
            return -1;
        }
    }
    return 0;
}
