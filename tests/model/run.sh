#!/bin/bash
# Checks outbox.pml exhaustively: each promise must hold, and the mutation must be found. Exit 77: spin or a C compiler
# is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
compiler=$(command -v gcc || command -v clang || command -v cc) || { echo "no C compiler"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check NAME LTL|- FLAGS…: searches all states (with "-" for failed assertions and deadlocks); prints "errors states".
check() {
    local name=$1 claim=$2 log=$work/$1.log
    shift 2
    mkdir "$work/$name" && cd "$work/$name"
    local safety=(-DSAFETY -DNOCLAIM) run=()
    [[ $claim == - ]] || { safety=(); run=(-a -f -N "$claim"); }
    spin -a "$@" "$here/outbox.pml" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    "$compiler" -O1 -w "${safety[@]}" -DMEMLIM=2048 -DNFAIR=3 -o pan pan.c
    timeout 50 ./pan -m200000 "${run[@]}" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    cd "$here"
    if grep -Eq 'max search depth too small|Search not completed|out of memory' "$log" &&
        ! grep -q 'errors: [1-9]' "$log"; then
        echo "$name: the search was not exhaustive" >&2
        cat "$log" >&2
        exit 1
    fi
    # An error of another kind proves nothing about the model.
    if grep -q 'errors: [1-9]' "$log" && ! grep -Eq 'assertion violated|acceptance cycle' "$log"; then
        cat "$log" >&2
        exit 1
    fi
    sed -nE 's/.*errors: ([0-9]+).*/\1/p; s/^ *([0-9.e+]+) states, stored.*/\1/p' "$log" | tr '\n' ' '
}

failed=0
expect() { # errors|none NAME LTL|- FLAGS…
    local wanted=$1 errors states verdict
    read -r errors states _ < <(check "${@:2}"; echo)
    case $wanted in
    none) [[ $errors == 0 ]] && verdict=holds || { verdict="DOES NOT HOLD"; failed=1; } ;;
    errors) [[ $errors -ge 1 ]] && verdict="is found" || { verdict="IS NOT FOUND"; failed=1; } ;;
    esac
    printf '%-28s %-14s %s states\n' "$2" "$verdict" "$states"
}
started=$SECONDS
expect none promises_2_4_5 -
for promise in promise_1 promise_2 promise_3 promise_3_in_time; do expect none "$promise" "$promise"; done
expect errors repeats_and_crashes_happen never_all_of_it # else the promises would hold of nothing
expect errors emit_before_commit - -DEMIT_BEFORE_COMMIT
echo "$((SECONDS - started)) s"
exit "$failed"
