"""lock_pins: the build outputs of an image_lock, all of them written by one action."""

load("//registry_rules/private:image_lock_info.bzl", "ImageLockInfo")
load("//registry_rules/private:lock_request.bzl", "lock_request")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

# Without a lock file the tags are resolved when the build runs: here, where the credentials are, and what that gave is
# nobody else's to reuse. `no-cache` keeps it out of a disk cache, which machines may share, too.
_RESOLVING = {
    "no-cache": "1",
    "no-remote": "1",
    "requires-network": "1",
}

def _lock_pins_impl(ctx):
    names = sorted(ctx.attr.images)
    digests = {name: ctx.actions.declare_file("{}/{}.digest".format(ctx.label.name, name)) for name in names}
    references = {name: ctx.actions.declare_file("{}/{}.reference".format(ctx.label.name, name)) for name in names}
    lock = ctx.actions.declare_file(ctx.label.name + ".lock.json")
    request = lock_request.write(ctx)

    arguments = ctx.actions.args()
    arguments.add_all(["lock", "pins"])
    arguments.add("--request", request)
    if ctx.file.lockfile:
        arguments.add("--lockfile", ctx.file.lockfile)
    arguments.add("--output", lock)
    arguments.add_all("--digests", digests.values())
    arguments.add_all("--pinned", references.values())
    locked = bool(ctx.attr.lockfile_path)
    if not locked:
        arguments.add_all(registry_tool.options(ctx))
    arguments.use_param_file("@%s")
    arguments.set_param_file_format("multiline")
    ctx.actions.run(
        arguments = [arguments],
        executable = ctx.executable._registry,
        execution_requirements = {} if locked else _RESOLVING,
        inputs = [request] + ctx.files.lockfile + ctx.files.layouts,
        mnemonic = "ImageLock",
        outputs = [lock] + digests.values() + references.values(),
        progress_message = "Pinning the images of %{label}",
        # Credentials are found by what --action_env says, and by nothing else.
        use_default_shell_env = not locked,
    )
    return [
        DefaultInfo(files = depset([lock])),
        ImageLockInfo(
            digests = digests,
            lock = lock,
            references = references,
            requested = ctx.attr.images,
        ),
        OutputGroupInfo(
            digest = depset(digests.values()),
            reference = depset(references.values()),
        ),
    ]

lock_pins = rule(
    implementation = _lock_pins_impl,
    doc = "The lock, and for each image its digest and its pinned reference, as files.",
    attrs = lock_request.attrs | registry_tool.attrs | registry_tool.online_attrs | {
        "layouts": attr.label_list(
            allow_files = True,
            doc = "The OCI layouts of this package that images are resolved from, if there is no lock file.",
        ),
    },
    provides = [ImageLockInfo],
)
