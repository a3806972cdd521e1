"""PinnedImageInfo: an image that is known by its digest."""

visibility("public")

PinnedImageInfo = provider(
    doc = "An image that was declared by tag and is known by digest.",
    fields = {
        "digest": "File: `sha256:...`, without a newline",
        "lock": "File: the lock that the pin is from",
        "reference": "File: `registry/repository@sha256:...`, without a newline",
        "registry": "str: the registry, such as `docker.io`; `oci-layout` for a layout on disk",
        "repository": "str: the repository, such as `library/redis`; the directory of a layout on disk",
        "requested": "str: the reference as it was declared, such as `redis:7.2`",
        "tag": "str: the tag, such as `7.2`; empty if the image was declared by digest alone",
    },
)
