"""buildifier: the formatter and linter of Starlark, as a repository of its own."""

visibility("public")

_VERSION = "8.2.1"
_SHA256 = {
    "darwin_amd64": "9f8cffceb82f4e6722a32a021cbc9a5344b386b77b9f79ee095c61d087aaea06",
    "darwin_arm64": "cfab310ae22379e69a3b1810b433c4cd2fc2c8f4a324586dfe4cc199943b8d5a",
    "linux_amd64": "6ceb7b0ab7cf66fceccc56a027d21d9cc557a7f34af37d2101edb56b92fcfa1a",
    "linux_arm64": "3baa1cf7eb41d51f462fdd1fff3a6a4d81d757275d05b2dd5f48671284e9a1a5",
}
_RELEASES = "https://github.com/bazelbuild/buildtools/releases/download"

def _platform(rctx):
    system = "darwin" if rctx.os.name.startswith("mac") else "linux"
    machine = {"aarch64": "arm64", "x86_64": "amd64"}.get(rctx.os.arch, rctx.os.arch)
    return "{}_{}".format(system, machine)

def _from_npm(rctx, platform):
    """Takes the binary out of the npm package, for who can reach npm's registry but not the releases."""
    npm = rctx.which("npm")
    if not npm:
        return "there is no npm on PATH"
    package = "@bazel/buildifier@" + _VERSION
    packed = rctx.execute([npm, "pack", "--silent", package], quiet = True)
    if packed.return_code:
        return "npm pack {} failed: {}".format(package, packed.stderr.strip())
    rctx.extract(packed.stdout.strip().split("\n")[-1], output = "npm")
    rctx.download(
        executable = True,
        output = "buildifier",
        sha256 = _SHA256[platform],
        url = "file://{}/npm/package/buildifier-{}".format(rctx.path("."), platform),
    )
    return None

def _buildifier_repository_impl(rctx):
    platform = _platform(rctx)
    if platform not in _SHA256:
        fail("buildifier {} is pinned for {} only, not for {}".format(_VERSION, ", ".join(_SHA256), platform))
    released = rctx.download(
        allow_fail = True,
        executable = True,
        output = "buildifier",
        sha256 = _SHA256[platform],
        url = "{}/v{}/buildifier-{}".format(_RELEASES, _VERSION, platform.replace("_", "-")),
    )
    error = None if released.success else _from_npm(rctx, platform)
    if error:
        fail("buildifier {} cannot be had: its release does not download, and {}".format(_VERSION, error))
    rctx.file("BUILD.bazel", 'exports_files(["buildifier"])\n')

_buildifier_repository = repository_rule(implementation = _buildifier_repository_impl)

def _buildifier_impl(mctx):
    _buildifier_repository(name = "buildifier")
    return mctx.extension_metadata(
        reproducible = True,
        root_module_direct_deps = [],
        root_module_direct_dev_deps = ["buildifier"],
    )

buildifier = module_extension(implementation = _buildifier_impl)
