"""image_retag and image_promotion with a real Bazel: what is in a plan, what a build refuses, and what a run does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from integration.images import index, layout_tags, single, write_layout
from integration.workspace import Package, Workspace, fails, images_of, succeeds

if TYPE_CHECKING:
    from pathlib import Path

POLICY_FLAG = "--@registry_rules//:promotion_policy"
RETAGS = """
image_retag(name = "app", image = ":images.app", tags = ["prod"], repositories = {repositories})
image_retag(name = "base", image = ":images.base", tags = ["prod"])
image_promotion(name = "both", retags = [":app", ":base"])
image_promotion(name = "release", retags = [":both", ":app"])
"""
TREE_RULE = """\
def _tree_impl(ctx):
    tree = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.run_shell(
        arguments = [ctx.file.marker.dirname, tree.path],
        command = 'cp -RL "$1/." "$2/"',
        inputs = ctx.files.srcs,
        outputs = [tree],
    )
    return DefaultInfo(files = depset([tree]))

tree = rule(
    implementation = _tree_impl,
    attrs = {
        "marker": attr.label(allow_single_file = True),
        "srcs": attr.label_list(allow_files = True),
    },
)
"""
MODES_RULE = """\
def _modes_impl(ctx):
    built = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.run_shell(
        arguments = [[file.dirname for file in ctx.files.srcs if file.basename == "oci-layout"][0], built.path],
        command = 'cp -RL "$1/." "$2/"',
        inputs = ctx.files.srcs,
        outputs = [built],
    )
    return DefaultInfo(files = depset([built]))

by_mode = rule(
    implementation = _modes_impl,
    attrs = {"srcs": attr.label_list(allow_files = True)},
)

_mode = transition(
    implementation = lambda settings, attr: {"//command_line_option:compilation_mode": attr.mode},
    inputs = [],
    outputs = ["//command_line_option:compilation_mode"],
)

in_mode = rule(
    implementation = lambda ctx: DefaultInfo(files = depset(ctx.files.image)),
    attrs = {
        "image": attr.label(cfg = _mode),
        "mode": attr.string(),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)
"""


def edges(workspace: Workspace, package: Package, plan: str) -> list[tuple[str, str]]:
    """Destination and digest of each edge of a plan that was built."""
    document = json.loads(workspace.built(f"{package.name}/{plan}.plan.json"))
    return [(edge["destination"], edge["digest"]) for edge in document["edges"]]


def reference(package: Package, image: str, tag: str) -> str:
    return package.reference(image, tag)


def test_a_promotion_has_the_edges_of_all_its_retags_once_and_is_planned_by_one_action(
    workspace: Workspace, locked: Package
) -> None:
    shelf = f"oci-layout:{locked.name}/registry/shelf"
    locked.declare(images_of(locked), more=RETAGS.format(repositories=json.dumps([shelf])))
    succeeds(workspace.build(locked.label("release")))
    assert edges(workspace, locked, "release") == [
        (f"{shelf}:prod", index("app").digest),
        (reference(locked, "base", "prod"), single("base").digest),
    ]
    planned = {path.name for path in (workspace.root / "bazel-bin" / locked.name).glob("*.plan.json")}
    assert planned == {"release.plan.json"}

    done = succeeds(workspace.run(locked.label("release")))
    assert "2 of 2 tags were set" in done.output
    assert layout_tags(locked.layout("shelf"))["prod"] == index("app").digest
    assert layout_tags(locked.layout("base"))["prod"] == single("base").digest
    receipts = list(workspace.root.glob("release-*.receipt.json"))
    assert len(receipts) == 1
    undone = succeeds(workspace.run(locked.label("release"), "--rollback", receipts[0].name))
    assert "2 of 2 tags were put back" in undone.output
    assert "prod" not in layout_tags(locked.layout("shelf"))


def test_two_images_for_one_tag_fail_the_build(workspace: Workspace, locked: Package) -> None:
    place = f"oci-layout:{locked.name}/registry/base"
    locked.declare(images_of(locked), more=RETAGS.format(repositories=json.dumps([place])))
    succeeds(workspace.build(locked.label("app")))
    failed = fails(workspace.build(locked.label("release")), 1, f"{place}:prod is to be")
    assert f"by {locked.label('app')}, but" in failed.output
    assert f"by {locked.label('base')}" in failed.output


def test_what_the_policy_of_the_workspace_forbids_fails_the_build(workspace: Workspace, locked: Package) -> None:
    locked.declare(images_of(locked), retag=("app", ["prod"]), more='exports_files(["policy.json"])\n')
    policy = {"policyVersion": 1, "repositories": ["ghcr.io/team/*"], "overwrite": {"immutable": ["v*"]}}
    (locked.folder / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    flag = f"{POLICY_FLAG}={locked.label('policy.json')}"
    fails(workspace.build(flag, locked.label("promote")), 1, locked.label("promote"), "is not in repositories")
    (locked.folder / "policy.json").write_text('{"policyVersion": 1, "owner": "me"}', encoding="utf-8")
    fails(workspace.build(flag, locked.label("promote")), 1, "policy.json: owner: is not a field")
    succeeds(workspace.build(locked.label("promote")))


def test_a_target_may_name_its_policy_and_say_what_is_immutable(workspace: Workspace, locked: Package) -> None:
    write_layout(locked.layout("app"), {"1.0": index("app"), "v1": index("app, mended")})
    more = 'image_retag(name = "retag", image = ":images.app", tags = ["v1"], {})\n'
    (locked.folder / "policy.json").write_text(
        '{"policyVersion": 1, "overwrite": {"immutable": ["v*"]}}', encoding="utf-8"
    )
    locked.declare(images_of(locked), more=more.format('policy = "policy.json"'))
    fails(workspace.run(locked.label("retag")), 1, "immutable", "nothing was written")
    locked.declare(images_of(locked), more=more.format('overwrite = "immutable"'))
    fails(workspace.run(locked.label("retag"), "--dry-run"), 1, "immutable")
    locked.declare(images_of(locked), more=more.format('policy = "policy.json", overwrite = "moving"'))
    fails(workspace.build(locked.label("retag")), 1, 'so overwrite cannot be "moving"')


def test_tags_have_stamps_of_the_workspace_status_and_come_from_a_file(
    workspace: Workspace, locked: Package, tmp_path: Path
) -> None:
    status = tmp_path / "status"
    status.write_text("#!/bin/sh\necho STABLE_VERSION 1.2.3\n", encoding="utf-8")
    status.chmod(0o755)
    (locked.folder / "tags.txt").write_text("latest\ncommit-{STABLE_VERSION}\n", encoding="utf-8")
    more = 'image_retag(name = "retag", image = ":images.app", tags = ["v{STABLE_VERSION}"], tags_file = "tags.txt")\n'
    locked.declare(images_of(locked), more=more)
    succeeds(workspace.build(f"--workspace_status_command={status}", locked.label("retag")))
    tags = ["v1.2.3", "latest", "commit-1.2.3"]
    assert edges(workspace, locked, "retag") == [(reference(locked, "app", tag), index("app").digest) for tag in tags]
    failed = fails(workspace.build(locked.label("retag")), 1, "wants STABLE_VERSION")
    assert "--workspace_status_command" in failed.output


def test_a_layout_that_a_rule_has_built_is_promoted(workspace: Workspace, locked: Package) -> None:
    (locked.folder / "tree.bzl").write_text(TREE_RULE, encoding="utf-8")
    shelf = f"oci-layout:{locked.name}/registry/shelf"
    write_layout(locked.layout("single"), {"1.0": index("app")})
    locked.declare(
        images_of(locked),
        more=f"""
load(":tree.bzl", "tree")
filegroup(name = "files", srcs = glob(["registry/single/**"]))
tree(name = "built", srcs = [":files"], marker = "registry/single/oci-layout")
image_retag(name = "of_tree", image = ":built", tags = ["tree"], repositories = ["{shelf}"])
image_retag(name = "of_files", image = ":files", tags = ["files"], repositories = ["{shelf}"])
image_promotion(name = "all", retags = [":of_tree", ":of_files"])
image_retag(name = "nowhere", image = ":built", tags = ["tree"])
image_retag(name = "no_image", image = "tree.bzl", tags = ["x"], repositories = ["{shelf}"])
""",
    )
    done = succeeds(workspace.run(locked.label("all")))
    assert "2 of 2 tags were set" in done.output
    tags = layout_tags(locked.layout("shelf"))
    assert tags == {"tree": index("app").digest, "files": index("app").digest}
    plan = workspace.built(f"{locked.name}/all.plan.json").decode()
    assert str(workspace.root) not in plan
    assert "bazel-out" not in plan
    fails(workspace.build(locked.label("nowhere")), 1, locked.label("nowhere"), "add one to repositories")
    fails(workspace.build(locked.label("no_image")), 1, "is neither an image of an image_lock nor one OCI layout")


def test_people_add_on_the_command_line_what_the_target_allows_and_nothing_else(
    workspace: Workspace, locked: Package
) -> None:
    locked.declare(
        images_of(locked),
        retag=("base", ["prod"]),
        more='image_retag(name = "open", image = ":images.app", tags = ["prod"], ad_hoc = ["tag"])\n'
        'image_promotion(name = "alone", retags = [":open"])\n',
    )
    fails(workspace.run(locked.label("promote"), "--tag", "x"), 2, "does not allow --tag", 'ad_hoc = ["tag"]')
    succeeds(workspace.build(locked.label("alone")))
    fails(workspace.run(locked.label("alone"), "--tag", "x"), 2, f"{locked.label('alone')} does not allow --tag")
    fails(workspace.run(locked.label("open"), "--repository", "oci-layout:x"), 2, "does not allow --repository")
    succeeds(workspace.run(locked.label("open"), "--tag", "extra"))
    assert layout_tags(locked.layout("app"))["extra"] == index("app").digest


def test_a_promotion_from_a_stale_lock_is_refused(workspace: Workspace, locked: Package) -> None:
    declared = images_of(locked) | {"app": locked.reference("app", "2.0")}
    locked.declare(declared, retag=("app", ["prod"]))
    failed = workspace.run(locked.label("promote"))
    assert failed.code != 0
    assert 'image "app" is declared as' in failed.output
    assert "prod" not in layout_tags(locked.layout("app"))
    succeeds(workspace.type_in(failed.proposed))
    succeeds(workspace.run(locked.label("promote")))
    assert layout_tags(locked.layout("app"))["prod"] == index("app, mended").digest


def test_a_promotion_of_nothing_is_refused(workspace: Workspace, package: Package) -> None:
    package.declare(images_of(package), more='image_promotion(name = "none", retags = [])\n')
    fails(workspace.build(package.label("none")), 1, "in retags attribute of image_promotion", "must be non empty")


def test_the_retag_of_another_module_runs(workspace: Workspace) -> None:
    target = "//examples/quickstart:promote"
    failed = fails(workspace.run(f"@registry_rules{target}", "--dry-run"), 1, f"{target}: oci-layout:examples/")
    assert len(failed.complaints) == 3, "one for each tag, and one for all"


def test_one_target_in_two_configurations_is_two_layouts(workspace: Workspace, locked: Package) -> None:
    (locked.folder / "modes.bzl").write_text(MODES_RULE, encoding="utf-8")
    write_layout(locked.layout("fast"), {"1.0": single("fast")})
    write_layout(locked.layout("slow"), {"1.0": single("slow")})
    shelf = f"oci-layout:{locked.name}/registry/shelf"
    locked.declare(
        images_of(locked),
        more=f"""
load(":modes.bzl", "by_mode", "in_mode")
config_setting(name = "opt", values = {{"compilation_mode": "opt"}})
filegroup(name = "fast", srcs = glob(["registry/fast/**"]))
filegroup(name = "slow", srcs = glob(["registry/slow/**"]))
by_mode(name = "built", srcs = select({{":opt": [":fast"], "//conditions:default": [":slow"]}}))
in_mode(name = "fast_image", image = ":built", mode = "opt")
in_mode(name = "slow_image", image = ":built", mode = "dbg")
image_retag(name = "first", image = ":fast_image", tags = ["fast"], repositories = ["{shelf}"])
image_retag(name = "second", image = ":slow_image", tags = ["slow"], repositories = ["{shelf}"])
image_promotion(name = "all", retags = [":first", ":second"])
""",
    )
    succeeds(workspace.run(locked.label("all")))
    assert layout_tags(locked.layout("shelf")) == {"fast": single("fast").digest, "slow": single("slow").digest}


def test_a_directory_of_the_source_tree_is_promoted(workspace: Workspace, locked: Package) -> None:
    shelf = f"oci-layout:{locked.name}/registry/shelf"
    write_layout(locked.layout("single"), {"1.0": index("app")})
    retag = f'image_retag(name = "retag", image = "registry/single", tags = ["x"], repositories = ["{shelf}"])\n'
    locked.declare(images_of(locked), more=retag)
    succeeds(workspace.run(locked.label("retag")))
    assert layout_tags(locked.layout("shelf")) == {"x": index("app").digest}
