# shellcheck shell=bash
# An apt of our own, sourced by install.sh: Debian's packages of one suite, downloaded and verified by apt itself (archive
# keys, then hashes), into a folder of ours. Uses the mirror, proxy and credentials that the machine's own apt is set up
# with, but neither its lists (which a fresh image lacks) nor its locks (which only root can take).

# What the packages depend on, and what the machine has by itself or nobody here needs to run them.
provided='build-essential, ca-certificates, debconf (= 99), debconf-2.0, default-jdk-headless, default-jre-headless,
 bats, bats-assert, bats-file, bats-support, libjs-jquery, libpam0g, node-core-js, node-html5shiv, openssl, perl, procps,
 protobuf-compiler-grpc-java-plugin (= 99), python3 (= 99), rust-coreutils, systemd, systemd-sysusers, systemd-tmpfiles,
 tzdata, unzip, zlib1g-dev, zstd'

own_apt() { apt-get --config-file "$apt/apt.conf" -qq --yes "$@"; }

# Writes the configuration, and a status file with a single installed package that stands for this machine: apt then
# names every other dependency, whatever is installed here.
configure_apt() {
  mkdir -p "$apt"/{lists,archives,none}/partial
  cat >"$apt/status" <<EOF
Package: this-machine
Status: install ok installed
Architecture: all
Version: 1
Maintainer: nobody <nobody@localhost>
Description: what the machine has
Provides: $provided

EOF
  cat >"$apt/apt.conf" <<EOF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
EOF
}

# The mirrors in the machine's own sources, one a line. Others than Debian's do no harm: update finds no signature of
# Debian there.
mirrors() {
  # --no-release-info: also those that were never updated
  # shellcheck disable=SC2016 # the $(…) is apt's
  apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sort -u
}

archive_keys() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [[ -e $file ]]; then
      printf '%s\n' "$file"
      return
    fi
  done
  die "Debian's archive keys are not in /usr/share/keyrings: run apt-get install debian-archive-keyring."
}

# Fetches the lists of suite $1 from the first mirror that has it.
update_lists() {
  local suite=$1 keys mirror
  keys=$(archive_keys)
  : >"$log"
  while read -r mirror; do
    printf 'deb [signed-by=%s target=Packages] %s %s main\n' "$keys" "$mirror" "$suite" >"$apt/sources.list"
    if own_apt update >"$log" 2>&1; then return; fi
  done < <(mirrors)
  die "no mirror in apt's sources has Debian's suite $suite ($(reason)): connect to one, or put bazelisk on PATH."
}

# Downloads packages and what they depend on. Prints the names of the files, which are in $apt/archives.
download_packages() {
  # apt names only what is not there yet: let it look into a folder where nothing is.
  own_apt install --print-uris -o "Dir::Cache::archives=$apt/none" "$@" 2>"$log" | awk '{ print $2 }' >"$apt/files" ||
    die "Debian's packages do not fit together today ($(reason)): put bazelisk on PATH, or try again later."
  own_apt install --download-only "$@" >"$log" 2>&1 ||
    die "Debian's packages cannot be downloaded ($(reason)): mend that, or put bazelisk on PATH."
  cat "$apt/files"
}
