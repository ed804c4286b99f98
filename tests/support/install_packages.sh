#!/bin/bash
# Installs what is missing for building (`build`), for the demo (`demo`), for testing (`test`) and for measuring (`bench`) from the distribution's packages, and nothing else.
#   tests/support/install_packages.sh [--list] build|demo|test|bench…
# As root it uses apt-get, otherwise sudo apt-get. With everything there it does nothing and needs no network.
set -euo pipefail

list_only=
if [[ ${1-} == --list ]]; then list_only=1; shift; fi

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Boost 1.81 or newer: libboost1.81-dev on Debian 12, libboost1.83-dev on Debian 13 and Ubuntu 24.04.
boost_version() {
    local version
    for version in 1.81 1.83 1.88 1.90; do
        if installed "libboost$version-dev" || apt-cache show "libboost$version-dev" >/dev/null 2>&1; then
            echo "$version"
            return
        fi
    done
    echo 1.81
}

packages_of() {
    case $1 in
    build)
        local boost
        boost=$(boost_version)
        echo cmake ninja-build ccache clang g++ pkg-config \
            "libboost$boost-dev" "libboost-json$boost-dev" "libboost-url$boost-dev" \
            libssl-dev libsqlite3-dev libfmt-dev libspdlog-dev prometheus-cpp-dev libsystemd-dev \
            libtomlplusplus-dev libcli11-dev
        ;;
    demo) echo curl ca-certificates ;;
    test)
        # After build: what the tests link, and what the system tests call.
        # A Node from elsewhere brings its own npm, and conflicts with Debian's packages.
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        # Ubuntu's chromium is a snap, which needs a running system: there the browser test is skipped unless one is installed.
        if grep -qx 'ID=debian' /etc/os-release; then echo chromium fonts-dejavu-core; fi
        echo libgtest-dev libgmock-dev librapidcheck-dev \
            python3 curl openssl ca-certificates php-cli php-sqlite3 sqlite3 iproute2 procps \
            systemd spin git \
            systemd-container debootstrap lintian dpkg-dev file scdoc
        ;;
    bench)
        # nginx-light brings a server that is not wanted: run it by hand, on ports of its own.
        command -v node >/dev/null || echo nodejs
        echo python3 openssl nginx-light wrk golang-go libbenchmark-dev
        ;;
    *)
        echo "install_packages.sh: unknown group \"$1\" (build, demo, test, bench)" >&2
        exit 64
        ;;
    esac
}

missing=()
find_missing() {
    local group package
    missing=()
    for group in "$@"; do
        for package in $(packages_of "$group"); do
            installed "$package" || missing+=("$package")
        done
    done
}

if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian or Ubuntu system: install the packages of the list in $0 by other means." >&2
    exit 0
fi

# promtool alone, taken out of Debian's package: installing it would start a server. It goes to .build/tools/usr/bin.
fetch_promtool() {
    local tools
    tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.build/tools
    if command -v promtool >/dev/null || [[ -x $tools/usr/bin/promtool ]]; then return; fi
    mkdir -p "$tools"
    (
        cd "$tools" && apt-get -q -o APT::Sandbox::User=root download prometheus &&
            dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && rm -f prometheus_*.deb
    ) || echo "promtool could not be fetched: the tests that need it are skipped" >&2
}

find_missing "$@"
if [[ -n $list_only ]]; then
    printf '%s\n' "${missing[@]-}"
    exit 0
fi
as_root=()
if ((EUID != 0 && ${#missing[@]} > 0)); then
    if ! command -v sudo >/dev/null; then
        echo "Missing packages, and neither root nor sudo to install them: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -q "$@"
}
known() { [[ -n $(apt-cache madison "$1" 2>/dev/null) ]]; }

if ((${#missing[@]} > 0)); then
    # The lists may be absent (a bare system) or older than the mirror (a package that is gone): fetch them when needed.
    all_known=1
    for package in "${missing[@]}"; do known "$package" || all_known=; done
    if [[ -z $all_known ]]; then
        apt update
        find_missing "$@"
    fi
    echo "Installing: ${missing[*]}"
    if ! apt install -y --no-install-recommends "${missing[@]}"; then
        apt update
        find_missing "$@"
        apt install -y --no-install-recommends "${missing[@]}"
    fi
fi

for group in "$@"; do
    if [[ $group == test ]]; then fetch_promtool; fi
done
