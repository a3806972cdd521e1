"""image_record: a rule of a consumer's own, which takes an image by PinnedImageInfo."""

load("@registry_rules//registry_rules:providers.bzl", "PinnedImageInfo")

visibility("private")

def _image_record_impl(ctx):
    image = ctx.attr.image[PinnedImageInfo]
    requested = ctx.actions.declare_file(ctx.label.name + ".requested.json")
    ctx.actions.write(requested, json.encode_indent({
        "registry": image.registry,
        "repository": image.repository,
        "requested": image.requested,
        "tag": image.tag,
    }) + "\n")
    return [DefaultInfo(files = depset([requested, image.digest, image.reference]))]

image_record = rule(
    implementation = _image_record_impl,
    doc = "What was asked for, and what that is pinned to.",
    attrs = {
        "image": attr.label(
            doc = "The image.",
            mandatory = True,
            providers = [PinnedImageInfo],
        ),
    },
)
