"""lock_update: the target that rewrites the lock file of an image_lock."""

load("//registry_rules/private:lock_request.bzl", "lock_request")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _lock_update_impl(ctx):
    executable = registry_tool.executable(
        ctx,
        ["lock", "update", "--request", lock_request.write(ctx)] + registry_tool.options(ctx),
    )
    return [
        DefaultInfo(
            executable = executable.file,
            runfiles = executable.runfiles,
        ),
        executable.environment,
    ]

lock_update = rule(
    implementation = _lock_update_impl,
    doc = "Resolves the images, or those named on the command line, and rewrites the lock file in the source tree.",
    attrs = lock_request.attrs | registry_tool.attrs | registry_tool.online_attrs,
    executable = True,
)
