"""image_lock: images declared by tag, pinned by a lock file."""

load("//registry_rules/private:layout_files.bzl", "layout_files")
load("//registry_rules/private:lock_check.bzl", "lock_check")
load("//registry_rules/private:lock_path.bzl", "lock_path", "parent_folders")
load("//registry_rules/private:lock_pins.bzl", "lock_pins")
load("//registry_rules/private:lock_test.bzl", "lock_test")
load("//registry_rules/private:lock_update.bzl", "lock_update")
load("//registry_rules/private:pinned_image.bzl", "pinned_image")

visibility("//registry_rules/...")

_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-"
_TAKEN = ["check", "update"]

def image_lock(*, name, images, lockfile = None, platforms = [], frozen = {}, registry_options = [], **kwargs):
    """Declares images by tag, and pins them by a lock file.

    It makes these targets:

    * `NAME`: the lock and, in the output groups `digest` and `reference`, two files for each image. No network.
    * `NAME.<image>`: one image, with `PinnedImageInfo`; its file holds `registry/repository@sha256:...`.
    * `NAME.update`: `bazel run` it to resolve all images (or those named after `--`) and rewrite the lock file.
      `--dry-run` writes nothing, `--json` is for programs.
    * `NAME.check`: `bazel run` it to see which tags point elsewhere by now (exit code 3) and which digests are gone
      from their registry (1). `--json`, `--github` and `--junit PATH` are for programs.
    * `NAME_test`, if there is to be a lock file: fails if that does not cover exactly what is declared. No network.

    Args:
        name: The name of the lock.
        images: dict of short name to reference: `{"redis": "redis:7.2"}`. A reference is what Docker takes
            (`host:5000/a/b:tag`, also with `@sha256:...`), or `oci-layout:PATH[:TAG]` for a directory in the OCI image
            layout, whose PATH is from the workspace's root.
        lockfile: The lock file, a path in this package and in none below it. It need not be there yet: `NAME.update` writes it. Without
            it the images are resolved when the target is built: by one action that has the network, whose result no
            cache keeps, which finds credentials by `--action_env` only, and which is run again when
            `--@registry_rules//:resolve_epoch` changes. Of layouts on disk, it sees those in this package.
            `--@registry_rules//:require_lock` makes that an error.
        platforms: list of what every image must be there for, as `os/architecture` or `os/architecture/variant`.
            An artifact that has no platform is there for all. `NAME.update` refuses an image that lacks one; of an
            image that is no index, it looks at that when the pin is new or moves, or when the image is named after
            `--`, as what is unchanged is to cost one request.
        frozen: dict of short name to the reason why `NAME.update` leaves the image alone: its tag may move, its pin
            does not. It is resolved only if it has no pin yet, or if another reference is declared.
        registry_options: list of options of the registry client for these images, such as
            `--mirror=docker.io=mirror.example` or `--ca-file=PEM`, whose path is from the workspace's root; without
            a lock file it must be absolute. They follow those of the build setting `--@registry_rules//:registry_options`. No secrets: use `--docker-config`.
        **kwargs: What all rules take: `visibility`, `tags`, `testonly` and so on.
    """
    path = _checked(name, images, lockfile) if lockfile else None
    there = native.glob([path], allow_empty = True) if path else []
    common = dict(
        declared_by = name,
        frozen = frozen,
        images = images,
        lockfile = path if there else None,
        lockfile_path = _workspace_path(path) if path else "",
        platforms = platforms,
    )
    online = common | dict(registry_options = registry_options)
    lock_pins(name = name, layouts = [] if path else _layouts(images, whole = True), **(online | kwargs))
    lock_update(name = name + ".update", **(online | kwargs))
    lock_check(name = name + ".check", **(online | kwargs))
    if path:
        lock_test(name = name + "_test", layouts = _layouts(images, whole = False), size = "small", **(common | kwargs))
    for image in images:
        if _is_target_name(image):
            pinned_image(name = "{}.{}".format(name, image), image = image, lock = name, **kwargs)

def _checked(name, images, lockfile):
    """The path of the lock file in this package."""
    targets = [name, name + "_test"] + [name + "." + each for each in _TAKEN + images.keys()]
    path, error = lock_path(lockfile, targets)
    nested = native.subpackages(include = parent_folders(path), allow_empty = True) if path and "/" in path else []
    if nested:
        error = 'lockfile = "{}" is in another package, {}; declare it there, or choose another path'.format(
            lockfile,
            "//" + _workspace_path(nested[0]),
        )
    if error:
        fail("//{}:{}: {}".format(native.package_name(), name, error))
    return path

def _workspace_path(path):
    return "/".join([part for part in [native.package_name(), path] if part])

def _is_target_name(image):
    # An image with a name that will not do gets no target; what is wrong with it, the tool says when NAME is built.
    return image and image not in _TAKEN and not [c for c in image.elems() if c not in _NAME_CHARACTERS]

def _layouts(images, whole):
    patterns = layout_files(native.package_name(), images.values(), whole)
    return native.glob(patterns, allow_empty = True) if patterns else []
