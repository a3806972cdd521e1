"""The public rules of registry_rules."""

load("//registry_rules:providers.bzl", _PinnedImageInfo = "PinnedImageInfo")
load("//registry_rules/private:image_lock.bzl", _image_lock = "image_lock")
load("//registry_rules/private:image_promotion.bzl", _image_promotion = "image_promotion")
load("//registry_rules/private:image_retag.bzl", _image_retag = "image_retag")

visibility("public")

PinnedImageInfo = _PinnedImageInfo
image_lock = _image_lock
image_promotion = _image_promotion
image_retag = _image_retag
