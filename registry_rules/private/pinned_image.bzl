"""pinned_image: one image of an image_lock."""

load("//registry_rules:providers.bzl", "PinnedImageInfo")
load("//registry_rules/private:image_lock_info.bzl", "ImageLockInfo")
load("//registry_rules/private:reference.bzl", "split_reference")

visibility("//registry_rules/...")

def _pinned_image_impl(ctx):
    lock = ctx.attr.lock[ImageLockInfo]
    name = ctx.attr.image
    digest = lock.digests[name]
    reference = lock.references[name]
    parts = split_reference(lock.requested[name])
    return [
        DefaultInfo(
            files = depset([reference]),
            runfiles = ctx.runfiles([reference]),
        ),
        OutputGroupInfo(
            digest = depset([digest]),
            reference = depset([reference]),
        ),
        PinnedImageInfo(
            digest = digest,
            lock = lock.lock,
            reference = reference,
            registry = parts.registry,
            repository = parts.repository,
            requested = lock.requested[name],
            tag = parts.tag,
        ),
    ]

pinned_image = rule(
    implementation = _pinned_image_impl,
    doc = "One image of an `image_lock`; its file holds the pinned reference.",
    attrs = {
        "image": attr.string(
            doc = "The short name.",
            mandatory = True,
        ),
        "lock": attr.label(
            doc = "The lock.",
            mandatory = True,
            providers = [ImageLockInfo],
        ),
    },
    provides = [PinnedImageInfo],
)
