"""ImageLockInfo: all pins of an image_lock, for the targets of its single images."""

visibility("//registry_rules/...")

ImageLockInfo = provider(
    doc = "All pins of an `image_lock`.",
    fields = {
        "digests": "dict of str to File: by an image's short name, the file with its digest",
        "lock": "File: the lock",
        "references": "dict of str to File: by an image's short name, the file with its pinned reference",
        "requested": "dict of str to str: by an image's short name, the reference as it was declared",
    },
)
