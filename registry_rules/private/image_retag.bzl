"""image_retag: more tags for an image that is already uploaded, here or elsewhere."""

load("//registry_rules:providers.bzl", "PinnedImageInfo")
load("//registry_rules/private:image_retag_info.bzl", "ImageRetagInfo")
load("//registry_rules/private:promotion_plan.bzl", "promotion_plan")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _image_retag_impl(ctx):
    is_pinned = PinnedImageInfo in ctx.attr.image
    layout = None if is_pinned else _layout(ctx)
    request = registry_tool.write_request(ctx, {
        "adHoc": ctx.attr.ad_hoc,
        "image": registry_tool.label(ctx.attr.image.label),
        "overwrite": ctx.attr.overwrite,
        "repositories": ctx.attr.repositories,
        "requires": ctx.attr.requires,
        "tags": ctx.attr.image_tags,
        "target": registry_tool.label(ctx.label),
    })
    retag = struct(
        files = depset() if is_pinned else ctx.attr.image[DefaultInfo].files,
        image = ctx.attr.image[PinnedImageInfo].reference if is_pinned else None,
        layout = layout,
        policy = ctx.file.policy,
        request = request,
        # Whoever has no stamp must not be built anew when the status changes.
        status = ctx.info_file if ctx.file.tags_file or [tag for tag in ctx.attr.image_tags if "{" in tag] else None,
        tags = ctx.file.tags_file,
    )
    plan = promotion_plan.write(ctx, [retag], ad_hoc = True)
    return promotion_plan.executable(ctx, plan, [retag]) + [ImageRetagInfo(retags = depset([retag]))]

def _layout(ctx):
    """The directory of the OCI layout, or its marker where a rule gives its files one by one; None if it is neither."""
    if len(ctx.files.image) == 1:
        # Bazel does not know whether a file of the source tree is a directory, but the tool sees it.
        return ctx.files.image[0]
    markers = [file for file in ctx.files.image if file.basename == "oci-layout"]

    # That it is neither is for the tool to say: fail() would show a traceback.
    return markers[0] if len(markers) == 1 else None

_image_retag = rule(
    implementation = _image_retag_impl,
    doc = "A plan to give an image more tags, which `bazel run` carries out.",
    attrs = registry_tool.attrs | registry_tool.online_attrs | {
        "ad_hoc": attr.string_list(
            doc = "What may be added behind `--` of `bazel run`: `tag`, `repository`.",
        ),
        "image": attr.label(
            allow_files = True,
            doc = "The image: a target with `PinnedImageInfo`, or an OCI layout.",
            mandatory = True,
        ),
        "image_tags": attr.string_list(
            doc = "The tags to set.",
        ),
        "overwrite": attr.string(
            doc = "What may become of a tag that is on another image; empty to leave it to the policy.",
            values = ["", "immutable", "moving"],
        ),
        "policy": attr.label(
            allow_single_file = [".json"],
            default = Label("//:promotion_policy"),
            doc = "The policy.",
        ),
        "repositories": attr.string_list(
            doc = "Where the tags are to be; the image's own repository if empty.",
        ),
        "requires": attr.string_list(
            doc = "What the image must have: `signature`, or types of attestations.",
        ),
        "tags_file": attr.label(
            allow_single_file = True,
            doc = "A file with more tags, one a line.",
        ),
    },
    executable = True,
    provides = [ImageRetagInfo],
)

def image_retag(
        *,
        name,
        image,
        tags = [],
        repositories = [],
        target_tags = [],
        **kwargs):
    """Gives an image more tags: in its own repository, or copied to others.

    `bazel build` writes the plan, a JSON file to review; no network. `bazel run` carries it out: it looks at
    everything first, and writes nothing if anything of it cannot be done. Then it brings the image to where it is to
    be, with its platforms, signatures, attestations and SBOMs, and sets the tags last of all. What is as it should be
    stays as it is.

    Behind `--` of `bazel run`: `--dry-run` only looks, and exits with 3 if something would change; `--keep-going`
    does what can be done; `--no-referrers` leaves signatures and their like behind; `--json`; `--receipt PATH` says
    where the receipt goes; `--attach-receipt` puts it beside the image, too; `--rollback RECEIPT` puts all tags back
    where they were, `--force` also those that somebody has moved since.

    Args:
        name: The name of the target.
        image: The image: a target with `PinnedImageInfo`, such as `:images.redis`; or a directory in the OCI image
            layout: one of the source tree (all files of it, by `glob()`, are better, as Bazel looks for no changes
            within a directory), a target with such a directory as its one output, such as `oci_image` of
            rules_oci, or one that gives all files of it. A layout needs `repositories`.
        tags: list of the image's new tags, such as `["prod"]`. `{STABLE_VERSION}` in a tag stands for what
            `--workspace_status_command` prints for that key.
        repositories: list of the repositories where the image is to have the tags, such as `["ghcr.io/team/app"]`,
            or `oci-layout:PATH` with a path from the workspace's root; the image's own if empty.
        target_tags: list of Bazel's own tags for the target, which all other rules call `tags`.
        **kwargs: More attributes:
            `tags_file`, a file with more tags, one a line;
            `overwrite`, what may become of a tag that is on another image: it moves (`moving`), or that is an error
            (`immutable`); by default what the policy says, and without a policy it moves; `moving` is an error where
            the policy holds a tag immutable, by a pattern or by a `default` that is written down in it;
            `policy`, the policy file, by default the one of `--@registry_rules//:promotion_policy`;
            `requires`, list of what the image must have: `signature`, or types of attestations;
            `ad_hoc`, list of what people may add on the command line: `tag`, `repository`;
            `registry_options`, as in `image_lock`;
            and what all rules take: `visibility`, `testonly` and so on.
    """
    _image_retag(
        name = name,
        image = image,
        image_tags = tags,
        repositories = repositories,
        tags = target_tags,
        **kwargs
    )
