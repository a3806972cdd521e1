"""layout_files: which files of a package hold the OCI layouts that images are declared from."""

load("//registry_rules/private:reference.bzl", "split_reference")

visibility([
    "//registry_rules/...",
    "//tests/starlark/...",
])

def layout_files(package, references, whole):
    """Finds the layouts that are in a package.

    Args:
        package: str, the package's path
        references: list of references, in any form that `image_lock` takes
        whole: bool, whether all of a layout is wanted; else what tells which images it has

    Returns:
        list of patterns for `glob()`
    """
    prefix = package + "/" if package else ""
    patterns = {}
    for parts in [split_reference(reference) for reference in references]:
        directory = parts.repository.removeprefix(prefix)
        if parts.registry != "oci-layout" or not parts.repository.startswith(prefix) or not _is_plain_path(directory):
            continue
        files = ["index.json", "oci-layout"]
        if parts.digest:
            files.append("blobs/" + parts.digest.replace(":", "/"))
        for file in ["**"] if whole else files:
            patterns["{}/{}".format(directory, file)] = True
    return [pattern for pattern in patterns if whole or _is_plain_path(pattern)]

def _is_plain_path(path):
    # Anything else is no path of this package, and glob() fails on it.
    return not [part for part in path.split("/") if part in ["", ".", ".."] or "*" in part or "?" in part]
