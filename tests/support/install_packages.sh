#!/bin/bash
# Installs what is missing for building (`build`), for building the tests (`unit`), for the demo (`demo`), for testing
# (`test`, with all of `unit`) and for measuring (`bench`) from the distribution's packages, and nothing else.
#   tests/support/install_packages.sh [--list] build|unit|demo|test|bench…
# As root it uses apt-get, otherwise sudo apt-get. With everything there it does nothing and needs no network.
# Exit status: 64 wrong arguments, 69 no package mirror can be reached, 1 anything else.
set -euo pipefail

os_release=${PROOFTRACK_OS_RELEASE:-/etc/os-release} # its own test gives others
systemd=${PROOFTRACK_SYSTEMD:-/run/systemd/system}   # is there while systemd runs

list_only=
if [[ ${1-} == --list ]]; then list_only=1; shift; fi

fail() { # STATUS SENTENCE
    echo "install_packages.sh: $2" >&2
    exit "$1"
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Those of the packages that apt has. Not by `apt-cache show`: on Debian 13 it exits 0 for one that others only mention.
available() {
    LC_ALL=C apt-cache policy "$@" 2>/dev/null |
        awk '/^[^ ].*:$/ { name = substr($0, 1, length($0) - 1) } /^ +Candidate: [^(]/ { print name }'
}

# Boost 1.81 or newer (Boost.URL came with it): what is installed, since two versions do not go together, else the
# oldest.
boost_version() {
    local version found=
    for version in $(apt-cache pkgnames libboost-url 2>/dev/null | sed -n 's/^libboost-url\(1\.[0-9]*\)-dev$/\1/p' |
            sort -V); do
        if installed "libboost$version-dev"; then
            found=$version
            break
        fi
        if [[ -z $found && $(available "libboost-url$version-dev") ]]; then found=$version; fi
    done
    echo "${found:-1.81}"
}

packages_of() { # GROUP
    case $1 in
    build)
        local boost
        boost=$(boost_version)
        echo cmake ninja-build ccache clang g++ pkg-config \
            "libboost$boost-dev" "libboost-json$boost-dev" "libboost-url$boost-dev" \
            libssl-dev libsqlite3-dev libpq-dev libfmt-dev libspdlog-dev prometheus-cpp-dev libsystemd-dev \
            libtomlplusplus-dev libcli11-dev libnghttp2-dev librabbitmq-dev libhiredis-dev
        ;;
    demo) echo curl ca-certificates ;;
    unit) echo libgtest-dev libgmock-dev librapidcheck-dev python3 ;; # what the tests link, and what finds them
    test)
        # After build: what the tests link, and what the system tests call.
        packages_of unit
        # A Node from elsewhere brings its own npm, and conflicts with Debian's packages.
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        # Ubuntu's chromium is a snap, which needs a running system: there the browser test is skipped unless one is
        # installed.
        if grep -qx 'ID=debian' "$os_release"; then echo chromium fonts-dejavu-core; fi
        installed nginx || echo nginx-light # any nginx will do
        echo apache2-bin caddy haproxy      # servers in front of Proof
        echo redis-server rabbitmq-server   # brokers behind the bridge
        echo postgresql                     # the other store
        # Laravel's components, where the distribution has them. (Express comes from npm.)
        available php-illuminate-routing php-illuminate-database php-illuminate-events
        echo python3-flask curl openssl ca-certificates php-cli php-sqlite3 sqlite3 iproute2 procps \
            systemd spin git \
            systemd-container debootstrap lintian dpkg-dev file scdoc nghttp2-client
        ;;
    bench)
        command -v node >/dev/null || echo nodejs
        echo python3 openssl nginx-light wrk nghttp2-client golang-go libbenchmark-dev
        ;;
    *) fail 64 "unknown group \"$1\" (build, unit, demo, test, bench)" ;;
    esac
}

missing=()
find_missing() { # GROUP…
    local group package packages
    missing=()
    for group in "$@"; do
        packages=$(packages_of "$group") # an assignment of its own: its failure ends the script
        for package in $packages; do
            installed "$package" || missing+=("$package")
        done
    done
}

unavailable=()
find_unavailable() {
    local package known
    unavailable=()
    known=" $(available "${missing[@]}" | tr '\n' ' ') "
    for package in "${missing[@]}"; do
        [[ $known == *" $package "* ]] || unavailable+=("$package")
    done
}

if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian or Ubuntu system: install the packages of the list in $0 by other means." >&2
    exit 0
fi
find_missing "$@"
if [[ -n $list_only ]]; then
    printf '%s\n' "${missing[@]-}"
    exit 0
fi

as_root=()
if ((EUID != 0)); then as_root=(sudo); fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=1 -q "$@"
}
apt_log=$(mktemp)
trap 'rm -f "$apt_log"' EXIT

# apt-get answers a missing network with a page, and `update` even with exit status 0.
unreachable() { grep -q '^[EW]: Failed to fetch' "$apt_log"; }
fail_unreachable() {
    local reason
    reason=$(sed -n '/^[EW]: Failed to fetch/ { s/^[EW]: Failed to fetch [^ ]* *//p; q }' "$apt_log")
    fail 69 "packages are missing and no package mirror can be reached ($reason): connect this machine and run it again."
}
update() {
    apt update >"$apt_log" 2>&1 || true # what counts is what is available then
}
download() { # shows what comes; what went wrong is in the log
    apt install -y --no-install-recommends --download-only "${missing[@]}" 2>&1 | tee "$apt_log" |
        { grep '^Get:' || true; }
}
install_missing() { # GROUP…
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        fail 1 "packages are missing, and neither root nor sudo to install them: ${missing[*]}"
    fi
    # The lists may be absent (a bare system) or older than the mirror (a package that is gone): fetched when needed.
    find_unavailable
    if ((${#unavailable[@]} > 0)); then
        update
        find_missing "$@"
        find_unavailable
        if ((${#unavailable[@]} > 0)); then
            if unreachable; then fail_unreachable; fi
            grep '^[EW]:' "$apt_log" >&2 || true
            fail 1 "this system's package sources do not have ${unavailable[*]} (Debian 12 or newer, Ubuntu 24.04 or newer with \"universe\")."
        fi
    fi
    echo "Installing: ${missing[*]}"
    if ! download; then
        update
        find_missing "$@"
        if ! download; then
            if unreachable; then fail_unreachable; fi
            tail -n 20 "$apt_log" >&2
            fail 1 "apt-get could not fetch the packages: see the lines above."
        fi
    fi
    local service new_services=()
    for service in nginx caddy haproxy redis-server rabbitmq-server postgresql; do
        if [[ " ${missing[*]} " =~ " $service"(-light)?" " ]] && ! installed "$service"; then
            new_services+=("$service")
        fi
    done
    apt install -y --no-install-recommends "${missing[@]}"
    # Their servers are not wanted: the tests and benchmarks run their own, on ports of their own.
    if ((${#new_services[@]} > 0)) && [[ -d $systemd ]]; then
        "${as_root[@]}" systemctl --quiet disable --now "${new_services[@]}" || true
    fi
}
if ((${#missing[@]} > 0)); then install_missing "$@"; fi

# promtool alone: in Debian 12 its package is the server's, and installing that would start it. It goes to
# .build/tools/usr/bin. Later releases have a package of its own.
fetch_promtool() {
    local tools
    tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.build/tools
    if command -v promtool >/dev/null || [[ -x $tools/usr/bin/promtool ]]; then return; fi
    mkdir -p "$tools"
    (
        cd "$tools"
        for package in promtool prometheus; do
            rm -f "$package"_*.deb
            apt-get -q -o APT::Sandbox::User=root download "$package" >"$apt_log" 2>&1 || continue
            if dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x ./usr/bin/promtool; then
                rm -f "$package"_*.deb
                exit 0
            fi
        done
        exit 1
    ) || echo "install_packages.sh: promtool could not be fetched: the tests that need it are skipped" >&2
}
for group in "$@"; do
    if [[ $group == test ]]; then fetch_promtool; fi
done
