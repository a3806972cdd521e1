"""promotion_plan: how a plan is made of retags, and carried out."""

load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _layout_name(file):
    """What a plan calls an OCI layout that a rule has built: its directory, from the workspace's root."""
    path = file.short_path
    return path if file.is_directory else path.rpartition("/")[0] or "."

def _write(ctx, retags, ad_hoc = False):
    """Writes the plan of some retags, by one action.

    Args:
        ctx: the rule's context
        retags: list of structs, see `ImageRetagInfo`
        ad_hoc: bool, whether people may add to the plan what the one retag allows

    Returns:
        File: the plan
    """
    plan = ctx.actions.declare_file(ctx.label.name + ".plan.json")
    arguments = ctx.actions.args()
    arguments.add("plan")
    arguments.add("--output", plan)
    if ad_hoc:
        arguments.add("--ad-hoc")
    inputs = []
    layouts = []
    status = [retag.status for retag in retags if retag.status]
    if status:
        arguments.add("--status", status[0])
        inputs.append(status[0])
    for retag in retags:
        arguments.add("--retag", retag.request)
        arguments.add("--policy", retag.policy)
        inputs += [retag.request, retag.policy]
        layouts.append(retag.files)
        if retag.image:
            arguments.add("--image", retag.image)
            inputs.append(retag.image)
        if retag.layout:
            arguments.add("--layout", _layout_name(retag.layout))
            arguments.add_all([retag.layout], expand_directories = False)
        if retag.tags:
            arguments.add("--tags", retag.tags)
            inputs.append(retag.tags)
    arguments.use_param_file("@%s")
    arguments.set_param_file_format("multiline")
    ctx.actions.run(
        arguments = [arguments],
        executable = ctx.executable._registry,
        inputs = depset(inputs, transitive = layouts),
        mnemonic = "ImagePlan",
        outputs = [plan],
        progress_message = "Planning %{label}",
    )
    return plan

def _executable(ctx, plan, retags):
    """Makes the target carry out its plan when it is run.

    Args:
        ctx: the rule's context
        plan: File: the plan
        retags: list of structs, see `ImageRetagInfo`

    Returns:
        list of providers
    """
    arguments = ["promote", "--plan", plan, "--target=" + registry_tool.label(ctx.label)]
    layouts = {_layout_name(retag.layout): retag for retag in retags if retag.layout}
    for name, retag in layouts.items():
        arguments += ["--layout", name, retag.layout]
    executable = registry_tool.executable(
        ctx,
        arguments + registry_tool.options(ctx),
        files = depset(transitive = [retag.files for retag in layouts.values()]),
    )
    return [
        DefaultInfo(
            executable = executable.file,
            files = depset([plan]),
            runfiles = executable.runfiles,
        ),
        executable.environment,
    ]

promotion_plan = struct(
    executable = _executable,
    write = _write,
)
