"""lock_path: the path of a lock file, as a person writes it in a BUILD file."""

visibility([
    "//registry_rules/...",
    "//tests/starlark/...",
])

def lock_path(text, targets):
    """Checks where a lock file is to be.

    Args:
        text: str, as `lockfile` is given: `images.lock.json`, `:images.lock.json` or `locks/images.lock.json`
        targets: list of the names of the targets in the same package

    Returns:
        (path, error): the path in the package, or None and a sentence
    """
    path = text.removeprefix(":")
    parts = path.split("/")
    if [part for part in parts if part in ["", ".", ".."]] or [c for c in path.elems() if c in ":@*?\\"]:
        return None, 'lockfile = "{}" is not a path in this package; write one such as "images.lock.json"'.format(text)
    if path in targets:
        return None, 'lockfile = "{}" has the name of the target ":{}"; give one of them another'.format(text, path)
    return path, None

def parent_folders(path):
    """The folders on the way to a file: `a` and `a/b` of `a/b/c`.

    Args:
        path: str, a path in the package

    Returns:
        list of paths in the package
    """
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
