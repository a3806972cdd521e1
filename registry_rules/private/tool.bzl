"""registry_tool: how the rules run the registry client, in actions and as executables."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")

visibility("//registry_rules/...")

def _write_request(ctx, request, name = None):
    output = ctx.actions.declare_file((name or ctx.label.name) + ".request.json")
    ctx.actions.write(output, json.encode_indent(request, indent = "  ") + "\n")
    return output

def _label(label):
    """The label as a person of the root module types it."""
    text = str(label)
    return text.removeprefix("@@") if text.startswith("@@//") else text

def _options(ctx):
    """How to talk to registries: by the build setting, then by the attribute, so that the latter has the last word."""
    return ctx.attr._registry_options[BuildSettingInfo].value + ctx.attr.registry_options

def _executable(ctx, arguments, files = depset(), moved = {}):
    """Makes a target executable: the tool itself under the target's name, with arguments before the user's own.

    No script stands in between; the arguments travel in an environment variable.

    Args:
        ctx: the rule's context; its `_registry` attribute is the tool
        arguments: list of strings, of Files, which the tool finds in the runfiles, and of structs with a `runfile`, the
            path of one
        files: depset of Files to find in the runfiles beside those
        moved: dict from a path in the runfiles to the File that is to be there

    Returns:
        struct of `file`, `runfiles` and `environment`, a `RunEnvironmentInfo`
    """
    output = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = output,
        target_file = ctx.executable._registry,
        is_executable = True,
    )
    inputs = [argument for argument in arguments if type(argument) == "File"]
    encoded = [_encoded(ctx, argument) for argument in arguments]
    return struct(
        environment = RunEnvironmentInfo(environment = {"REGISTRY_RULES_ARGS": json.encode(encoded)}),
        file = output,
        runfiles = ctx.runfiles(
            inputs,
            root_symlinks = moved,
            transitive_files = files,
        ).merge(ctx.attr._registry[DefaultInfo].default_runfiles),
    )

def _encoded(ctx, argument):
    if type(argument) == "File":
        return {"runfile": _runfiles_path(ctx, argument)}
    return argument if type(argument) == "string" else {"runfile": argument.runfile}

def _runfiles_path(ctx, file):
    if file.short_path.startswith("../"):
        return file.short_path.removeprefix("../")
    return ctx.workspace_name + "/" + file.short_path

registry_tool = struct(
    # For a rule that talks to registries.
    online_attrs = {
        "registry_options": attr.string_list(
            doc = "Options of the registry client, such as `--mirror=docker.io=mirror.example`, behind those of " +
                  "`--@registry_rules//:registry_options`.",
        ),
        "_registry_options": attr.label(
            default = Label("//:registry_options"),
            providers = [BuildSettingInfo],
        ),
    },
    attrs = {
        "_registry": attr.label(
            cfg = "exec",
            default = Label("//py:registry"),
            executable = True,
        ),
    },
    executable = _executable,
    label = _label,
    options = _options,
    write_request = _write_request,
)
