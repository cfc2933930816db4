"""What a message calls what can be given depends on who reads it."""

from contextlib import ExitStack, suppress

from pyhrf.wording import named, speaking


def test_named__is_the_keyword_for_those_who_call_python():
    assert named("output") == "output"
    assert named("fresh") == "fresh=True"


def test_speaking__changes_the_names_and_puts_them_back_whatever_happens():
    with suppress(RuntimeError), speaking({"output": "-u"}):
        assert named("output") == "-u"
        with speaking({"output": "OUT_DIR", "mesh": "--mesh"}):
            assert (named("output"), named("mesh")) == ("OUT_DIR", "--mesh")
        assert (named("output"), named("mesh")) == ("-u", "meshes")
        raise RuntimeError
    assert named("output") == "output"


def test_named__holds_the_value_that_is_given_with_a_thing():
    assert named("engine", name="cluster") == 'engine="cluster"'
    with speaking({"engine": "-x {name}"}):
        assert named("engine", name="cluster") == "-x cluster"


def test_speaking__ends_in_any_order():
    """As of two threads, of which the first to begin is the first to end."""
    first, second = speaking({"mesh": "-m"}), speaking({"mesh": "--mesh"})
    with ExitStack() as stack:
        with first:
            stack.enter_context(second)
        assert named("mesh") == "--mesh"
    assert named("mesh") == "meshes"
