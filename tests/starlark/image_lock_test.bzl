"""image_lock_test_suite: what image_lock and image_retag give other rules, and how they run the tool."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//registry_rules:defs.bzl", "PinnedImageInfo")

visibility("private")

def _one_action_test_impl(ctx):
    env = analysistest.begin(ctx)
    actions = [action for action in analysistest.target_actions(env) if action.mnemonic == "ImageLock"]
    asserts.equals(env, 1, len(actions))
    names = sorted([file.basename for file in actions[0].outputs.to_list()])
    asserts.equals(
        env,
        ["cache.digest", "cache.reference", "pins.lock.json", "web.digest", "web.reference"],
        names,
    )
    return analysistest.end(env)

_one_action_test = analysistest.make(_one_action_test_impl)

def _pinned_image_info_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    info = target[PinnedImageInfo]
    asserts.equals(env, "redis:7.2", info.requested)
    asserts.equals(env, "docker.io", info.registry)
    asserts.equals(env, "library/redis", info.repository)
    asserts.equals(env, "7.2", info.tag)
    asserts.equals(env, "cache.digest", info.digest.basename)
    asserts.equals(env, "cache.reference", info.reference.basename)
    asserts.equals(env, "pins.lock.json", info.lock.basename)
    asserts.equals(env, [info.reference], target[DefaultInfo].files.to_list())
    asserts.equals(env, [info.digest], target[OutputGroupInfo].digest.to_list())
    asserts.equals(env, [info.reference], target[OutputGroupInfo].reference.to_list())
    asserts.equals(env, [], [action.mnemonic for action in analysistest.target_actions(env)])
    return analysistest.end(env)

_pinned_image_info_test = analysistest.make(_pinned_image_info_test_impl)

def _check_arguments_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    arguments = json.decode(target[RunEnvironmentInfo].environment["REGISTRY_RULES_ARGS"])
    asserts.equals(env, ["check", "--request"], arguments[:2])
    asserts.equals(env, ["--retries=1", "--timeout=9"], arguments[3:])
    return analysistest.end(env)

_check_arguments_test = analysistest.make(
    _check_arguments_test_impl,
    config_settings = {str(Label("//:registry_options")): ["--retries=1"]},
)

def _request_test_impl(ctx):
    env = analysistest.begin(ctx)
    content = [action.content for action in analysistest.target_actions(env) if action.mnemonic == "FileWrite"]
    request = json.decode(content[0])
    asserts.equals(env, "", request["repository"])
    asserts.equals(env, "//tests/starlark:pins", request["target"])
    asserts.equals(env, "tests/starlark/pins.lock.json", request["lockfile"])
    return analysistest.end(env)

_request_test = analysistest.make(_request_test_impl)

def _retag_is_a_plan_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    asserts.equals(env, ["retag.plan.json"], [file.basename for file in target[DefaultInfo].files.to_list()])
    asserts.true(env, target[DefaultInfo].files_to_run.executable != None)
    arguments = json.decode(target[RunEnvironmentInfo].environment["REGISTRY_RULES_ARGS"])
    asserts.equals(env, ["promote", "--plan"], arguments[:2])
    asserts.true(env, arguments[2]["runfile"].endswith("/tests/starlark/retag.plan.json"))
    return analysistest.end(env)

_retag_is_a_plan_test = analysistest.make(_retag_is_a_plan_test_impl)

def image_lock_test_suite(*, name):
    """Declares the tests.

    Args:
        name: The name of the suite.
    """
    _one_action_test(
        name = name + "_one_action_writes_all_pins",
        target_under_test = ":pins",
    )
    _pinned_image_info_test(
        name = name + "_pinned_image_info",
        target_under_test = ":pins.cache",
    )
    _check_arguments_test(
        name = name + "_options_of_the_setting_come_before_those_of_the_attribute",
        target_under_test = ":pins.check",
    )
    _request_test(
        name = name + "_request_is_of_the_main_repository",
        target_under_test = ":pins.update",
    )
    _retag_is_a_plan_test(
        name = name + "_retag_is_a_plan",
        target_under_test = ":retag",
    )
    native.test_suite(
        name = name,
        tests = [
            name + "_one_action_writes_all_pins",
            name + "_options_of_the_setting_come_before_those_of_the_attribute",
            name + "_pinned_image_info",
            name + "_request_is_of_the_main_repository",
            name + "_retag_is_a_plan",
        ],
    )
