"""lock_test: the test that a lock file covers exactly what its image_lock declares."""

load("//registry_rules/private:lock_request.bzl", "lock_request")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _lock_test_impl(ctx):
    arguments = ["lock", "verify", "--request", lock_request.write(ctx)]
    if ctx.file.lockfile:
        arguments += ["--lockfile", ctx.file.lockfile]
    executable = registry_tool.executable(ctx, arguments, files = depset(ctx.files.layouts))
    return [
        DefaultInfo(
            executable = executable.file,
            runfiles = executable.runfiles,
        ),
        executable.environment,
    ]

lock_test = rule(
    implementation = _lock_test_impl,
    doc = "Fails if the lock file does not cover exactly what is declared, and says what to run.",
    attrs = lock_request.attrs | registry_tool.attrs | {
        "layouts": attr.label_list(
            allow_files = True,
            doc = "Of the OCI layouts of this package that images are declared from: which images they have.",
        ),
    },
    test = True,
)
