"""lock_request: what an image_lock declares, as attributes and as the JSON that the tool reads."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _write(ctx):
    request = {
        "frozen": ctx.attr.frozen,
        "images": ctx.attr.images,
        "lockfile": ctx.attr.lockfile_path,
        "platforms": ctx.attr.platforms,
        # The workspace that a person runs something in is that of the main repository, whose name is empty.
        "repository": ctx.label.repo_name,
        "target": registry_tool.label(ctx.label.same_package_label(ctx.attr.declared_by)),
    }
    if not ctx.attr.lockfile_path:
        # Nothing of a locked build may depend on these.
        request["requireLock"] = ctx.attr._require_lock[BuildSettingInfo].value
        request["resolveEpoch"] = ctx.attr._resolve_epoch[BuildSettingInfo].value
    return registry_tool.write_request(ctx, request)

lock_request = struct(
    attrs = {
        "declared_by": attr.string(
            doc = "The name of the `image_lock` target.",
            mandatory = True,
        ),
        "frozen": attr.string_dict(
            doc = "Short name to the reason why `update` leaves the image alone.",
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
        "platforms": attr.string_list(
            doc = "The platforms that every image must be there for.",
        ),
        "_require_lock": attr.label(
            default = Label("//:require_lock"),
            providers = [BuildSettingInfo],
        ),
        "_resolve_epoch": attr.label(
            default = Label("//:resolve_epoch"),
            providers = [BuildSettingInfo],
        ),
    },
    write = _write,
)
