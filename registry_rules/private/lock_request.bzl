"""lock_request: what an image_lock declares, as attributes and as the JSON that the tool reads."""

load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _write(ctx):
    return registry_tool.write_request(ctx, {
        "images": ctx.attr.images,
        "lockfile": ctx.attr.lockfile_path,
        "target": registry_tool.label(ctx.label.same_package_label(ctx.attr.declared_by)),
    })

lock_request = struct(
    attrs = {
        "declared_by": attr.string(
            doc = "The name of the `image_lock` target.",
            mandatory = True,
        ),
        "images": attr.string_dict(
            doc = "Short name to reference.",
            mandatory = True,
        ),
        "lockfile": attr.label(
            allow_single_file = True,
            doc = "The lock file, if it is there.",
        ),
        "lockfile_path": attr.string(
            doc = "Where the lock file is, or is to be, from the workspace's root; empty if there is to be none.",
        ),
    },
    write = _write,
)
