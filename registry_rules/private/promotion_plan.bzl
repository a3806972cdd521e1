"""promotion_plan: how a plan is made of retags, and carried out."""

load("//registry_rules/private:tool.bzl", "registry_tool")

visibility("//registry_rules/...")

def _directory(file, path):
    """The directory of an OCI layout, of which the file is the directory itself or the marker in it."""
    return path if file.is_directory or file.basename != "oci-layout" else path.rpartition("/")[0] or "."

def _layouts(retags):
    """The OCI layouts of some retags, each once.

    A plan calls a layout by its directory, from the workspace's root. Two layouts may have the same, as those of one
    target in two configurations: then the second has a number, and a place of its own in the runfiles.

    Args:
        retags: list of structs, see `ImageRetagInfo`

    Returns:
        dict from the path of a layout's File to a struct: `name`; `number`, from 1 on; `retag`
    """
    layouts = {}
    names = {}
    for retag in retags:
        if not retag.layout or retag.layout.path in layouts:
            continue
        name = _directory(retag.layout, retag.layout.short_path)
        names[name] = names.get(name, 0) + 1
        layouts[retag.layout.path] = struct(
            name = name if names[name] == 1 else "{}#{}".format(name, names[name]),
            number = names[name],
            retag = retag,
        )
    return layouts

def _place(layout, file):
    """Where a File of a layout is in the runfiles, if others are where it would be."""
    directory = _directory(layout.retag.layout, layout.retag.layout.short_path)
    return "registry_rules.layouts/{}{}".format(layout.name, file.short_path.removeprefix(directory)).replace("../", "")

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
    files = []
    layouts = _layouts(retags)
    status = [retag.status for retag in retags if retag.status]
    if status:
        arguments.add("--status", status[0])
        inputs.append(status[0])
    for retag in retags:
        arguments.add("--retag", retag.request)
        arguments.add("--policy", retag.policy)
        inputs += [retag.request, retag.policy]
        files.append(retag.files)
        if retag.image:
            arguments.add("--image", retag.image)
            inputs.append(retag.image)
        if retag.layout:
            arguments.add("--layout", layouts[retag.layout.path].name)
            arguments.add_all([retag.layout], expand_directories = False)
        if retag.tags:
            arguments.add("--tags", retag.tags)
            inputs.append(retag.tags)
    arguments.use_param_file("@%s")
    arguments.set_param_file_format("multiline")
    ctx.actions.run(
        arguments = [arguments],
        executable = ctx.executable._registry,
        inputs = depset(inputs, transitive = files),
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
    files = []
    moved = {}
    for layout in _layouts(retags).values():
        arguments += ["--layout", layout.name]
        if layout.number == 1:
            arguments.append(layout.retag.layout)
            files.append(layout.retag.files)
        else:
            arguments.append(struct(runfile = _place(layout, layout.retag.layout)))
            moved |= {_place(layout, file): file for file in layout.retag.files.to_list()}
    executable = registry_tool.executable(
        ctx,
        arguments + registry_tool.options(ctx),
        files = depset(transitive = files),
        moved = moved,
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
