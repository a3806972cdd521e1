"""`python`: accepts what a module says about interpreters, and downloads none. The system's own is used."""

load("//system:system.bzl", "SYSTEM_PYTHON")

visibility("public")

_BUILD = """\
package(default_visibility = ["//visibility:public"])

exports_files(["python"])

alias(
    name = "python3",
    actual = ":python",
)

alias(
    name = "py3_runtime",
    actual = "@rules_python//system:runtime",
)
"""

def _system_python_impl(rctx):
    rctx.file("BUILD.bazel", _BUILD)
    rctx.symlink(SYSTEM_PYTHON, "python")

_system_python = repository_rule(
    implementation = _system_python_impl,
    doc = "What `use_repo(python, \"python_3_11\")` names: here, always the system's interpreter.",
)

def _python_impl(module_ctx):
    versions = {
        tag.python_version: None
        for module in module_ctx.modules
        for tag in module.tags.toolchain
    }
    for version in versions:
        _system_python(name = "python_" + version.replace(".", "_"))

_toolchain = tag_class(
    attrs = {
        "configure_coverage_tool": attr.bool(doc = "Ignored."),
        "ignore_root_user_error": attr.bool(doc = "Ignored."),
        "is_default": attr.bool(doc = "Ignored: there is one interpreter."),
        "python_version": attr.string(doc = "Names the repository, and no more.", mandatory = True),
    },
)

_defaults = tag_class(
    attrs = {
        "python_version": attr.string(doc = "Ignored."),
        "python_version_env": attr.string(doc = "Ignored."),
        "python_version_file": attr.label(doc = "Ignored."),
    },
)

_override = tag_class(
    attrs = {
        "available_python_versions": attr.string_list(doc = "Ignored."),
        "base_url": attr.string(doc = "Ignored."),
        "ignore_root_user_error": attr.bool(doc = "Ignored."),
        "minor_mapping": attr.string_dict(doc = "Ignored."),
    },
)

python = module_extension(
    implementation = _python_impl,
    doc = "The interpreters that a module asks for.",
    tag_classes = {
        "defaults": _defaults,
        "override": _override,
        "toolchain": _toolchain,
    },
)
