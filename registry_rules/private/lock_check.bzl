"""lock_check: the target that compares the lock file of an image_lock with the registry."""

load("//registry_rules/private:lock_request.bzl", "lock_request")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _lock_check_impl(ctx):
    executable = registry_tool.executable(
        ctx,
        ["check", "--request", lock_request.write(ctx)] + registry_tool.options(ctx),
    )
    return [
        DefaultInfo(
            executable = executable.file,
            runfiles = executable.runfiles,
        ),
        executable.environment,
    ]

lock_check = rule(
    implementation = _lock_check_impl,
    doc = "Tells which tags point elsewhere by now, and which digests are gone; changes nothing.",
    attrs = lock_request.attrs | registry_tool.attrs | registry_tool.online_attrs,
    executable = True,
)
