"""image_retag: more tags for an image that is already uploaded."""

load("//registry_rules:providers.bzl", "PinnedImageInfo")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _image_retag_impl(ctx):
    request = registry_tool.write_request(ctx, {
        "tags": ctx.attr.image_tags,
        "target": registry_tool.label(ctx.label),
    })
    plan = ctx.actions.declare_file(ctx.label.name + ".plan.json")
    reference = ctx.attr.image[PinnedImageInfo].reference
    arguments = ctx.actions.args()
    arguments.add("plan")
    arguments.add("--request", request)
    arguments.add("--image", reference)
    arguments.add("--output", plan)
    ctx.actions.run(
        arguments = [arguments],
        executable = ctx.executable._registry,
        inputs = [request, reference],
        mnemonic = "ImagePlan",
        outputs = [plan],
        progress_message = "Planning %{label}",
    )
    executable = registry_tool.executable(ctx, ["promote", "--plan", plan] + registry_tool.options(ctx))
    return [
        DefaultInfo(
            executable = executable.file,
            files = depset([plan]),
            runfiles = executable.runfiles,
        ),
        executable.environment,
    ]

_image_retag = rule(
    implementation = _image_retag_impl,
    doc = "A plan to give an image more tags, which `bazel run` carries out.",
    attrs = registry_tool.attrs | registry_tool.online_attrs | {
        "image": attr.label(
            doc = "The image.",
            mandatory = True,
            providers = [PinnedImageInfo],
        ),
        "image_tags": attr.string_list(
            doc = "The tags to set.",
            mandatory = True,
        ),
    },
    executable = True,
)

def image_retag(*, name, image, tags, target_tags = [], **kwargs):
    """Gives an image that is already uploaded more tags in its own repository.

    `bazel build` writes the plan, a JSON file to review; no network. `bazel run` carries it out: it looks at every
    tag first, writes nothing if any of them cannot be set, and leaves those alone that are as they should be.
    `bazel run … -- --dry-run` only looks, and exits with 3 if something would change.

    Args:
        name: The name of the target.
        image: The image: a target with `PinnedImageInfo`, such as `:images.redis`.
        tags: list of the image's new tags, such as `["prod"]`.
        target_tags: list of Bazel's own tags for the target, which all other rules call `tags`.
        **kwargs: `registry_options`, as in `image_lock`, and what else all rules take: `visibility`, `testonly` and so on.
    """
    _image_retag(
        name = name,
        image = image,
        image_tags = tags,
        tags = target_tags,
        **kwargs
    )
