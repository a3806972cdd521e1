#!/usr/bin/env bash
# Bazel from Debian's own packages, for a machine that reaches Debian's packages but neither a Bazel release nor the
# Bazel Central Registry. Unpacks into a folder of its own, changes nothing on the system, needs no root.
#
#   install.sh CACHE NAME      leaves CACHE/NAME/bazel, all or nothing; CACHE/apt keeps what was downloaded
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$1
final=$cache/$2
staging=$final.staging
apt=$cache/apt
log=$cache/install.log

suite=forky
packages=(
  bazel-bootstrap bazel-features bazel-lib bazel-platforms bazel-rules-license bazel-rules-python bazel-rules-shell
  bazel-skylib bazel-stardoc patchelf python3-pip-whl
)
# Real registries, clients, a load generator and another Python, for the tests.
programs=(crane docker-registry oras python3.13 skopeo wrk)

note() { printf 'tools/bazel: %s\n' "$*" >&2; }

die() {
  note "$@"
  exit 1
}

# The last thing that a failed step said, as a part of a sentence.
reason() { grep -v '^ *$' "$log" 2>/dev/null | tail -n 1 | sed -e 's/^[EW]: //' -e 's/[.:]*$//' || true; }

# shellcheck source=tools/debian_bazel/apt.sh
source "$here/apt.sh"

check_machine() {
  local tool
  for tool in apt-get awk dpkg-deb flock; do
    command -v "$tool" >/dev/null ||
      die "Debian's packages of Bazel cannot be unpacked without $tool: run apt-get install apt dpkg mawk util-linux."
  done
  # TMPDIR does not matter: what the sandbox hides is this folder, by name.
  [[ $(realpath -m "$cache")/ != /tmp/* ]] ||
    die "Bazel's sandbox hides /tmp, so Bazel cannot be in $cache: set XDG_CACHE_HOME to a folder elsewhere."
  mkdir -p "$cache" 2>/dev/null && [[ -w $cache ]] ||
    die "$cache cannot be written: set XDG_CACHE_HOME to a folder that can."
}

# The interpreter of the Python rules. The system's own comes first, because PATH may name a shim that breaks in a sandbox.
find_python() {
  local python
  for python in "${REGISTRY_RULES_PYTHON:-/usr/bin/python3}" python3; do
    "$python" -I -c 'import sys; sys.version_info >= (3, 10) and print(sys.executable)' 2>/dev/null | grep . && return
  done
  die "there is no Python 3.10 or newer: run apt-get install python3."
}

# The newest installed Java that can run Bazel's server, nothing when there is none.
find_java() {
  local home version
  for home in "${REGISTRY_RULES_JVM_DIR:-/usr/lib/jvm}"/*; do
    version=$("$home/bin/java" -XshowSettings:properties -version 2>&1 |
      sed -n 's/^ *java.specification.version = \([0-9]*\).*/\1/p' || true)
    if ((${version:-0} >= 21)); then printf '%s %s\n' "$version" "$home"; fi
  done 2>/dev/null | sort -rn | awk 'NR == 1 { print $2 }'
}

unpack() {
  mkdir -p "$staging/root"
  (cd "$apt/archives" && xargs -P "$(nproc)" -I '{}' dpkg-deb --extract '{}' "$staging/root") <<<"$1" >"$log" 2>&1 ||
    die "Debian's packages cannot be unpacked ($(reason)): make room in $cache, or remove $apt, and try again."
}

# Runs a program of the packages while they are not yet where they belong. It is built against its own suite's libc.
in_staging() { "$staging/$loader" --library-path "$staging/$lib" "$staging/root/usr/bin/$1" "${@:2}"; }

# Gives binaries, which others start, the loader and the libraries of their own suite.
#   use_own_libc RUNPATH BINARY…
use_own_libc() {
  local binary
  for binary in "${@:2}"; do
    [[ -f $binary && ! -L $binary ]] || continue
    # rpath, not runpath: it has to hold for the libraries' libraries too
    in_staging patchelf --set-interpreter "$final/$loader" --force-rpath --set-rpath "$1$final/$lib" "$binary"
  done >"$log" 2>&1 || die "Bazel's binaries cannot be adapted ($(reason)): remove $apt and try again."
}

# Makes the unpacked Java one that runs where it is, and prints its home.
adopt_java() {
  local home
  home=$(cd "$staging" && find root/usr/lib/jvm -path '*/bin/java' -printf '%h\n' | sort -V | tail -n 1)
  home=${home%/bin}
  # shellcheck disable=SC2016 # $ORIGIN is the loader's
  use_own_libc '$ORIGIN/../lib:' "$staging/$home"/bin/* "$staging/$home/lib/jspawnhelper"
  printf '%s\n' "$final/$home"
}

write_program() {
  { echo '#!/bin/sh' && cat; } >"$1"
  chmod +x "$1"
}

write_programs() {
  local version=$1 run="exec '$final/$loader' --library-path '$final/$lib' '$final/root/usr/bin" name
  mkdir "$staging/bin"
  for name in "${programs[@]}"; do
    write_program "$staging/bin/$name" <<<"$run/$name' \"\$@\""
  done
  write_program "$staging/bazel" <<EOF
# native.bazel_version is empty without this, and rulesets then take this Bazel for an unreleased newer one.
export BAZEL_DEV_VERSION_OVERRIDE='$version'
# Where the tests, and what is started by bazel run, find real registries.
export REGISTRY_RULES_TEST_TOOLS='$final/bin'
# Without a compiler, looking for one would fail the analysis of every Python target.
command -v "\${CC:-gcc}" >/dev/null || export BAZEL_DO_NOT_DETECT_CPP_TOOLCHAIN=1
$run/bazel' --nosystem_rc --bazelrc='$final/bazelrc' "\$@"
EOF
}

# Puts together everything below $staging.
build() {
  local python java files version
  python=$(find_python)
  java=$(find_java)
  [[ $java ]] || packages+=(default-jre-headless)
  configure_apt
  update_lists "$suite"
  files=$(download_packages "${packages[@]}" "${programs[@]}")
  unpack "$files"
  lib=root/usr/lib/$(uname -m)-linux-gnu
  loader=$(cd "$staging" && echo "$lib"/ld-linux-*.so.*)
  version=$(grep '^bazel-bootstrap_' <<<"$files" | sed -e 's/^[^_]*_//' -e 's/[^0-9.].*//')
  use_own_libc "" "$staging"/root/usr/libexec/*/bazel/*
  [[ $java ]] || java=$(adopt_java)
  write_programs "$version"
  "$python" "$here/configure.py" --staging="$staging" --final="$final" --java="$java" --python="$python" >"$log" 2>&1 ||
    die "Debian's packages of Bazel $version are not what this launcher knows ($(reason)): put bazelisk on PATH."
  # What the launcher looks at before each start: without one of these, this has to be made again.
  printf '%s\n' "$python" "$java/bin/java" >"$staging/needs"
}

# Each version of these files leaves a folder: remove those that nobody has started for a month.
remove_old() {
  find "$cache" -mindepth 2 -maxdepth 2 -name used -mtime +30 -printf '%h\0' | xargs -0r rm -rf
}

main() {
  check_machine
  exec {lock}>"$cache/lock"
  flock --nonblock "$lock" || { note "waiting for another start that is getting Bazel" && flock "$lock"; }
  # The other one may have done it. A folder that is not fit any more has been moved away by the launcher.
  [[ ! -x $final/bazel ]] || return 0
  note "getting Bazel from Debian's packages, this once (160 MB)"
  rm -rf "$staging"
  build
  mv -T "$staging" "$final"
  remove_old
}

main
