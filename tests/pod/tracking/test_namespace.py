"""A managed namespace: a dict, and what it sees of the code that runs in it."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pod.tracking import ByName, Everything, Namespace, Touched, Watch, is_variable, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.tracking import Tracking


@pytest.fixture
def watched() -> tuple[Namespace, Watch]:
    namespace = Namespace(a=[1], b=[2], c=3)
    watch = Watch()
    namespace.watch(watch)
    return namespace, watch


def names_touched_by(watched: tuple[Namespace, Watch], source: str) -> set[str]:
    namespace, watch = watched
    exec(source, namespace)
    touched = namespace.touched_by(watch)
    return set(touched.names if not touched.everything else ["everything"])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a", {"a"}),
        ("a.append(2)", {"a"}),
        ("x = a", {"a", "x"}),
        ("del a", {"a"}),
        ("c += 1", {"c"}),
        ("(lambda: a.append(1))()", {"a"}),
        ("[b for _ in range(2)]", {"b"}),
        ("globals()['b']", {"b"}),
        ("globals().get('b')", {"b"}),
        ("globals().pop('b')", {"b"}),
        ("globals().setdefault('d', 1)", {"d"}),
        ("globals().update(d=1)", {"d"}),
        ("globals().items()", {"everything"}),
        ("globals().values()", {"everything"}),
        ("globals().copy()", {"everything"}),
        ("globals() == {}", {"everything"}),
        ("globals() | {}", {"everything"}),
        ("repr(globals())", {"everything"}),
    ],
)
def test_what_code_touches_is_seen(watched: tuple[Namespace, Watch], source: str, names: set[str]) -> None:
    assert names_touched_by(watched, source) - {"__builtins__"} == names


def test_a_function_touches_what_it_reads_when_it_runs(watched: tuple[Namespace, Watch]) -> None:
    assert "a" not in names_touched_by(watched, "def f(): return a")
    assert "a" in names_touched_by(watched, "f()")


def test_binding_a_class_touches_everything_for_its_body_bypasses_the_namespace(
    watched: tuple[Namespace, Watch],
) -> None:
    assert names_touched_by(watched, "class C: held = a") == {"everything"}


def test_binding_an_imported_class_touches_its_name_alone(watched: tuple[Namespace, Watch]) -> None:
    assert "everything" not in names_touched_by(watched, "from collections import OrderedDict")


def test_every_watch_learns_everything_once(watched: tuple[Namespace, Watch]) -> None:
    namespace, watch = watched
    other = Watch()
    namespace.watch(other)
    namespace["a"]
    assert namespace.touched_by(watch).names == {"a"}
    assert namespace.touched_by(watch) == Touched(frozenset())
    assert namespace.touched_by(other).names == {"a"}


def test_a_name_that_is_bound_anew_is_told_to_watches() -> None:
    namespace = Namespace(a=1, b=2)
    rebound: list[str] = []
    namespace.watch(Watch(rebound.append))
    namespace["a"] = 3
    del namespace["b"]
    namespace.pop("a")
    assert rebound == ["a", "b", "a"]


def test_dict_and_unpacking_touch_all_names_they_copy(watched: tuple[Namespace, Watch]) -> None:
    namespace, watch = watched
    assert dict(namespace) == {**namespace}
    assert {"a", "b", "c"} <= namespace.touched_by(watch).names


def test_hidden_objects_are_found_by_code_and_are_no_names() -> None:
    namespace = Namespace()
    namespace.hidden["h"] = [1]
    exec("x = h", namespace)
    assert namespace["x"] is namespace.hidden["h"]
    assert "h" not in namespace
    with pytest.raises(KeyError, match="missing"):
        namespace["missing"]


@pytest.mark.parametrize(
    "operation",
    [
        lambda ns: ns.get("zz"),
        lambda ns: ns.pop("zz", None),
        sorted,
        lambda ns: ns.keys() & {"a"},
        len,
        lambda ns: "a" in ns,
        lambda ns: ns.popitem()[0],
        lambda ns: ns.__ior__({"x": 1}),
        lambda ns: {"x": 1} | ns,
        lambda ns: ns.clear(),
    ],
)
def test_it_behaves_as_a_dict(operation: Callable[[Any], Any]) -> None:
    expected, found = {"a": 1, "b": 2}, Namespace(a=1, b=2)
    assert operation(found) == operation(expected)
    assert variables_of(found) == expected


@pytest.mark.parametrize("name", ["a", "_a", "In2", "_hidden", "x__"])
def test_variables(name: str) -> None:
    assert is_variable(name)


@pytest.mark.parametrize(
    "name", ["__name__", "In", "Out", "_", "__", "___", "_1", "_i", "_ii", "_i12", "_ih", "_oh", "_dh"]
)
def test_names_that_are_no_variables(name: str) -> None:
    assert not is_variable(name)


def test_what_ipython_hides_is_no_variable() -> None:
    class Shell:
        user_ns_hidden: ClassVar[dict[str, int]] = {"exit": 1, "quit": 2}

    namespace = {"get_ipython": Shell, "exit": 1, "quit": 2, "x": 3, 5: 6}
    assert variables_of(namespace) == {"x": 3}  # type: ignore[arg-type]


class TrackingSuite:
    """What every `Tracking` must do."""

    tracking: Tracking

    def test_it_reports_what_was_touched(self, watched: tuple[Namespace, Watch]) -> None:
        namespace, watch = watched
        self.tracking.touched(namespace, watch)
        exec("a.append(2); b = 3", namespace)
        touched = self.tracking.touched(namespace, watch)
        assert touched.everything or {"a", "b"} <= touched.names

    def test_it_takes_a_plain_mapping_as_touched_throughout(self) -> None:
        assert self.tracking.touched({"a": 1}, Watch()).everything


class TestByName(TrackingSuite):
    tracking = ByName()

    def test_it_reports_nothing_else(self, watched: tuple[Namespace, Watch]) -> None:
        namespace, watch = watched
        exec("a", namespace)
        assert self.tracking.touched(namespace, watch).names - {"__builtins__"} == {"a"}
        assert self.tracking.touched(namespace, watch) == Touched(frozenset())


class TestEverything(TrackingSuite):
    tracking = Everything()


def test_beginning_to_build_a_class_touches_everything(watched: tuple[Namespace, Watch]) -> None:
    with pytest.raises(ZeroDivisionError):
        exec("class K:\n 1 / 0", watched[0])
    assert watched[0].touched_by(watched[1]) == Touched(frozenset(), everything=True)
    exec("def make():\n class K: held = a\n return K", watched[0])
    assert not watched[0].touched_by(watched[1]).everything
    watched[0]["make"]()
    assert watched[0].touched_by(watched[1]).everything
    watched[0].clear()
    watched[0].touched_by(watched[1])
    exec("class K: pass", watched[0])
    assert watched[0].touched_by(watched[1]).everything


def test_the_builtins_are_those_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = Namespace()
    monkeypatch.setattr(builtins, "abs", lambda _: "changed")
    monkeypatch.setattr(builtins, "added", [1], raising=False)
    exec("import math\nx = [abs(-1), added, len('ab'), eval('max(1, 2)')]\ndef f(): return added", namespace)
    assert namespace["x"] == ["changed", [1], 2, 2]
    assert namespace["f"]() == [1]
    assert namespace["__builtins__"]["len"] is len
    with pytest.raises(NameError, match="missing"):
        exec("missing", namespace)


def test_what_the_interpreter_puts_into_globals_is_not_listed() -> None:
    namespace = Namespace(a=1)
    exec("b = 2", namespace)
    assert "__builtins__" in namespace
    assert (list(namespace), list(reversed(namespace)), len(namespace)) == (["a", "b"], ["b", "a"], 2)
    assert (list(namespace.keys()), list(namespace.values()), list(namespace.items())) == (
        ["a", "b"],
        [1, 2],
        [("a", 1), ("b", 2)],
    )
    assert namespace == {"a": 1, "b": 2} == namespace.copy() == dict(namespace) == {**namespace}
    assert namespace == Namespace(namespace)
    assert repr(namespace) == "Namespace({'a': 1, 'b': 2})"
    assert [namespace.popitem(), namespace.popitem()] == [("b", 2), ("a", 1)]
    assert not namespace
    with pytest.raises(KeyError, match="empty"):
        namespace.popitem()
