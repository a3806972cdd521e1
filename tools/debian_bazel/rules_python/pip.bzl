"""`pip`: fetches the wheels of a requirements lock with the system's Python and the machine's own pip configuration."""

load("//system:system.bzl", "PIP_WHEEL", "SYSTEM_PYTHON")

visibility("public")

def _wheel_hub_impl(rctx):
    # Wheels with compiled code fit one interpreter version: fetch again when the system's Python is another one.
    rctx.watch(SYSTEM_PYTHON)
    lock = rctx.path(rctx.attr.requirements_lock)
    rctx.watch(lock)
    result = rctx.execute(
        [
            SYSTEM_PYTHON,
            # Without the user's own modules and PYTHONPATH. PIP_* and pip's files of the machine still hold.
            "-I",
            rctx.path(rctx.attr._unpack_wheels),
            "--hub=" + rctx.attr.hub_name,
            "--pip=" + PIP_WHEEL,
            "--requirements=" + str(lock),
        ] + ["--pip-arg=" + argument for argument in rctx.attr.extra_pip_args],
        environment = rctx.attr.environment,
        quiet = rctx.attr.quiet,
        timeout = rctx.attr.timeout,
    )
    if result.return_code:
        fail("%s: the wheels of %s cannot be fetched:\n%s" % (
            rctx.attr.hub_name,
            rctx.attr.requirements_lock,
            result.stderr,
        ))

_ATTRS = {
    "environment": attr.string_dict(doc = "Environment of the pip process, added to the machine's."),
    "extra_pip_args": attr.string_list(doc = "Arguments for pip, added to what the lock says."),
    "quiet": attr.bool(doc = "Whether pip's output is kept back.", default = True),
    "requirements_lock": attr.label(doc = "The lock: one line `name==version` per distribution."),
    "timeout": attr.int(doc = "Time for all the wheels together, in seconds.", default = 600),
}

_wheel_hub = repository_rule(
    implementation = _wheel_hub_impl,
    doc = "One package per distribution of a requirements lock, all fetched by one pip.",
    attrs = _ATTRS | {
        "hub_name": attr.string(doc = "The name that `pip.parse` gave.", mandatory = True),
        "_unpack_wheels": attr.label(default = "//system:unpack_wheels.py"),
    },
)

def _pip_impl(module_ctx):
    hubs = {}
    for module in module_ctx.modules:
        for tag in module.tags.parse:
            # Several tags of one hub are the same distributions for several Python versions: here is one version.
            hubs.setdefault(tag.hub_name, tag)
    for name, tag in hubs.items():
        _wheel_hub(
            name = name,
            hub_name = name,
            environment = tag.environment,
            extra_pip_args = tag.extra_pip_args,
            quiet = tag.quiet,
            requirements_lock = tag.requirements_linux or tag.requirements_lock,
            timeout = tag.timeout,
        )

_parse = tag_class(
    attrs = _ATTRS | {
        "download_only": attr.bool(doc = "Ignored."),
        "enable_implicit_namespace_pkgs": attr.bool(doc = "Ignored."),
        "envsubst": attr.string_list(doc = "Ignored."),
        "hub_name": attr.string(doc = "The repository's name.", mandatory = True),
        "isolated": attr.bool(doc = "Ignored: without the machine's pip configuration there may be nothing to fetch from."),
        "parallel_download": attr.bool(doc = "Ignored."),
        "python_version": attr.string(doc = "Ignored: the system's is used."),
        "requirements_darwin": attr.label(doc = "Ignored: this is Linux."),
        "requirements_linux": attr.label(doc = "The lock for this platform."),
        "requirements_windows": attr.label(doc = "Ignored: this is Linux."),
        "target_platforms": attr.string_list(doc = "Ignored: this platform."),
    },
)

pip = module_extension(
    implementation = _pip_impl,
    doc = "Third-party Python distributions, from requirements locks.",
    tag_classes = {"parse": _parse},
)
