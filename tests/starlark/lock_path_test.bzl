"""lock_path_test_suite: where a lock file may be, and which files of a package are layouts."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")

# The functions are private to the rules, and pure: they are tested for themselves.
load("//registry_rules/private:layout_files.bzl", "layout_files")  # buildifier: disable=bzl-visibility
load("//registry_rules/private:lock_path.bzl", "lock_path", "parent_folders")  # buildifier: disable=bzl-visibility

visibility("private")

_DIGEST = "sha256:" + 64 * "0"

def _lock_path_test_impl(ctx):
    env = unittest.begin(ctx)
    for text, expected in {
        ":images.lock.json": "images.lock.json",
        "a/b/c.json": "a/b/c.json",
        "images.lock.json": "images.lock.json",
    }.items():
        asserts.equals(env, (expected, None), lock_path(text, ["images"]), text)
    for text in ["//a:b", "/a", "../a", "a/../b", "a//b", "a/", "@a//:b", "a*", "", ":", "::a", "a:b", "./a"]:
        path, error = lock_path(text, [])
        asserts.equals(env, None, path, text)
        asserts.true(env, error.startswith('lockfile = "{}" is not a path in this package'.format(text)), text)
    path, error = lock_path(":images.lock.json", ["images.lock.json"])
    asserts.equals(env, None, path)
    asserts.true(env, "has the name of the target" in error, error)
    asserts.equals(env, ["a", "a/b"], parent_folders("a/b/c"))
    asserts.equals(env, [], parent_folders("c"))
    return unittest.end(env)

_lock_path_test = unittest.make(_lock_path_test_impl)

def _layout_files_test_impl(ctx):
    env = unittest.begin(ctx)
    references = ["redis", "oci-layout:a/b:t", "oci-layout:a/c@" + _DIGEST, "oci-layout:d", "oci-layout:../a/e"]
    asserts.equals(env, ["b/**", "c/**"], layout_files("a", references, whole = True))
    asserts.equals(
        env,
        ["b/index.json", "b/oci-layout", "c/index.json", "c/oci-layout", "c/blobs/sha256/" + 64 * "0"],
        layout_files("a", references, whole = False),
    )
    asserts.equals(env, ["a/b/**", "a/c/**", "d/**"], layout_files("", references, whole = True))
    asserts.equals(env, ["d/index.json", "d/oci-layout"], layout_files("", ["oci-layout:d@../*"], whole = False))
    return unittest.end(env)

_layout_files_test = unittest.make(_layout_files_test_impl)

def lock_path_test_suite(*, name):
    """Declares the tests.

    Args:
        name: The name of the suite.
    """
    unittest.suite(name, _lock_path_test, _layout_files_test)
