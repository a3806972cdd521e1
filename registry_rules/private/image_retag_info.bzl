"""ImageRetagInfo: what a plan is made of."""

visibility("//registry_rules/...")

ImageRetagInfo = provider(
    doc = "What `image_retag` and `image_promotion` targets ask for.",
    fields = {
        "retags": "depset of structs, one for each `image_retag`: `request`, the File of what it declares; `image`, " +
                  "the File of the pinned reference, or None; `layout`, the File of the OCI layout in its place, or " +
                  "None; `files`, depset of the Files of that layout; `tags`, the File of more tags, or None; `policy`, " +
                  "the File of the policy; `status`, the File of the workspace status if a tag has a stamp, or None",
    },
)
