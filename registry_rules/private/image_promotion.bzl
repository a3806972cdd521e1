"""image_promotion: many retags as one plan, one process and one receipt."""

load("//registry_rules/private:image_retag_info.bzl", "ImageRetagInfo")
load("//registry_rules/private:promotion_plan.bzl", "promotion_plan")
load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _image_promotion_impl(ctx):
    all_retags = depset(transitive = [target[ImageRetagInfo].retags for target in ctx.attr.retags], order = "preorder")
    retags = all_retags.to_list()
    plan = promotion_plan.write(ctx, retags)
    return promotion_plan.executable(ctx, plan, retags) + [ImageRetagInfo(retags = all_retags)]

image_promotion = rule(
    implementation = _image_promotion_impl,
    doc = """Many `image_retag`s as one plan, one process and one receipt.

`bazel build` writes the plan, by one action, however many there are; it fails if two of them want the same tag for
different images. `bazel run` carries it out as that of an `image_retag`, and takes the same options, but for those of
`ad_hoc`. If anything cannot be done, nothing of all is done, unless `--keep-going` says so.""",
    attrs = registry_tool.attrs | registry_tool.online_attrs | {
        "retags": attr.label_list(
            allow_empty = False,
            doc = "The `image_retag`s, and other `image_promotion`s; each is there once.",
            mandatory = True,
            providers = [ImageRetagInfo],
        ),
    },
    executable = True,
    provides = [ImageRetagInfo],
)
