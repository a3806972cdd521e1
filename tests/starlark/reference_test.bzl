"""reference_test_suite: split_reference cuts references as the tool does."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")

# The function is private to the rules, and pure: it is tested for itself.
load("//registry_rules/private:reference.bzl", "split_reference")  # buildifier: disable=bzl-visibility

visibility("private")

_DIGEST = "@sha256:" + 64 * "0"
_CASES = {
    "GHCR.io/team/app:1": ("ghcr.io", "team/app", "1"),
    "HOST/app": ("HOST", "app", "latest"),
    "Host:5000/app": ("host:5000", "app", "latest"),
    "INDEX.docker.io/redis": ("docker.io", "library/redis", "latest"),
    "LOCALHOST/app": ("localhost", "app", "latest"),
    "[::1]:5000/app:1": ("[::1]:5000", "app", "1"),
    "ghcr.io/team/app:1.4": ("ghcr.io", "team/app", "1.4"),
    "host:5000/a/b": ("host:5000", "a/b", "latest"),
    "index.docker.io/redis": ("docker.io", "library/redis", "latest"),
    "localhost/app": ("localhost", "app", "latest"),
    "oci-layout:.": ("oci-layout", ".", ""),
    "oci-layout:../some//dir/": ("oci-layout", "../some/dir", ""),
    "oci-layout:./some/dir/:tag": ("oci-layout", "some/dir", "tag"),
    "oci-layout://some/../dir": ("oci-layout", "/dir", ""),
    "oci-layout:some/../../other/./dir:tag": ("oci-layout", "../other/dir", "tag"),
    "oci-layout:some/dir": ("oci-layout", "some/dir", ""),
    "oci-layout:some/dir:tag": ("oci-layout", "some/dir", "tag"),
    "redis": ("docker.io", "library/redis", "latest"),
    "redis" + _DIGEST: ("docker.io", "library/redis", ""),
    "redis:7.2" + _DIGEST: ("docker.io", "library/redis", "7.2"),
    "team/app:1": ("docker.io", "team/app", "1"),
}

def _split_reference_test_impl(ctx):
    env = unittest.begin(ctx)
    for text, expected in _CASES.items():
        parts = split_reference(text)
        asserts.equals(env, expected, (parts.registry, parts.repository, parts.tag), text)
        asserts.equals(env, _DIGEST[1:] if text.endswith(_DIGEST) else "", parts.digest, text)
    return unittest.end(env)

_split_reference_test = unittest.make(_split_reference_test_impl)

def reference_test_suite(*, name):
    """Declares the tests.

    Args:
        name: The name of the suite.
    """
    unittest.suite(name, _split_reference_test)
