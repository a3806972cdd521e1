"""split_reference: the parts of an image reference that a provider shows at analysis time."""

load("@bazel_skylib//lib:paths.bzl", "paths")

visibility([
    "//registry_rules/...",
    "//tests/starlark/...",
])

_DOCKER_HUB = "docker.io"
_DOCKER_HUB_ALIASES = ["index.docker.io", "registry-1.docker.io"]
_LAYOUT = "oci-layout"

def split_reference(text):
    """Cuts a reference into its parts, and fills in what people leave out.

    It cuts and checks nothing: whether the text is a reference at all is for the tool to say, when it runs.

    Args:
        text: str, as a person writes it: `redis:7.2`, `host:5000/a/b@sha256:...`, `oci-layout:dir:tag`

    Returns:
        struct of the strings `registry`, `repository`, `tag` and `digest`; the tag is empty for an image by digest
        alone, and the digest for an image by tag
    """
    name, _, digest = text.partition("@")
    if name.startswith(_LAYOUT + ":"):
        path, tag = _split_tag(name.removeprefix(_LAYOUT + ":"))
        return struct(registry = _LAYOUT, repository = _normalized(path), tag = tag, digest = digest)
    name, tag = _split_tag(name)
    registry, repository = _split_host(name)
    return struct(
        registry = registry,
        repository = repository,
        tag = tag if tag or digest else "latest",
        digest = digest,
    )

def _normalized(path):
    normalized = paths.normalize(path) if path else ""
    return normalized[1:] if normalized.startswith("//") else normalized

def _split_tag(name):
    before, colon, after = name.rpartition(":")
    if not colon or "/" in after:
        return name, ""
    return before, after

def _split_host(name):
    first, slash, rest = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    registry, repository = (first, rest) if is_host else (_DOCKER_HUB, name)
    if "." in registry or ":" in registry or registry.lower() == "localhost":
        registry = registry.lower()
    if registry in _DOCKER_HUB_ALIASES:
        registry = _DOCKER_HUB
    if registry == _DOCKER_HUB and "/" not in repository:
        repository = "library/" + repository
    return registry, repository
