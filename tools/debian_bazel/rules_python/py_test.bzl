"""`py_test`: Bazel's own, without the attribute that it lacks."""

visibility("public")

def py_test(**kwargs):
    """Bazel's own `py_test`.

    Args:
        **kwargs: what Bazel's rule takes, and `python_version`, which is ignored: there is one interpreter.
    """
    kwargs.pop("python_version", None)

    # Debian's rules_python has none of its own, so the rule is the one inside Bazel 7.
    native.py_test(**kwargs)  # buildifier: disable=native-python
