#!/bin/sh
# The unit files: `systemd-analyze verify` reports nothing, the exposure is at most 1.2 (a bridge's 1.3), and systemd's
# own tools accept users, folders and the journal catalog. Needs no running systemd and changes nothing outside a
# temporary folder. Exit 77 = tools missing.
set -eu
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
units=$source_dir/systemd
for tool in systemd-analyze systemd-sysusers systemd-tmpfiles journalctl; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
failures=0
fail() { echo "FAILED: $1"; failures=$((failures + 1)); }

mkdir -p "$root/usr/lib/systemd/catalog" "$root/usr/sbin" "$root/usr/bin" "$root/bin" "$root/usr/lib/sysusers.d" \
    "$root/usr/lib/tmpfiles.d" \
    "$root/etc/systemd/system" "$root/run"
cp -a /usr/lib/systemd/system "$root/usr/lib/systemd/"
cp "$units/prooftrackd.service" "$units/prooftrackd.socket" "$units/prooftrackd-bridge@.service" \
    "$root/usr/lib/systemd/system/"
printf '#!/bin/sh\n' >"$root/usr/sbin/prooftrackd"
printf '#!/bin/sh\n' >"$root/usr/bin/prooftrackctl"
printf '#!/bin/sh\n' >"$root/bin/kill"
printf '#!/bin/sh\n' >"$root/bin/sh"
chmod 755 "$root/usr/sbin/prooftrackd" "$root/usr/bin/prooftrackctl" "$root/bin/kill" "$root/bin/sh"

# It exits 0 with an unknown key, so what it says counts.
verified=$(systemd-analyze verify --man=no --root="$root" prooftrackd.service prooftrackd.socket \
    prooftrackd-bridge@books.service 2>&1) || fail "verify"
[ -z "$verified" ] || fail "verify says: $verified"

mkdir -p "$root/usr/lib/systemd/system/prooftrackd.service.d"
for drop_in in commands cluster; do
    cp "$units/$drop_in.conf" "$root/usr/lib/systemd/system/prooftrackd.service.d/"
    verified=$(systemd-analyze verify --man=no --root="$root" prooftrackd.service 2>&1) ||
        fail "verify with $drop_in.conf"
    [ -z "$verified" ] || fail "verify with $drop_in.conf says: $verified"
done
rm -r "$root/usr/lib/systemd/system/prooftrackd.service.d"

exposure=$(systemd-analyze security --offline=true --threshold=12 "$units/prooftrackd.service" 2>&1) ||
    fail "exposure over 1.2"
echo "$exposure" | grep 'Overall exposure level'
# A little more: the group that may use the socket.
exposure=$(systemd-analyze security --offline=true --threshold=13 "$units/prooftrackd-bridge@.service" 2>&1) ||
    fail "exposure of the bridge over 1.3"
echo "$exposure" | grep 'Overall exposure level'

cp "$units/prooftrackd.sysusers" "$root/usr/lib/sysusers.d/prooftrackd.conf"
: >"$root/etc/passwd"
: >"$root/etc/group"
systemd-sysusers --root="$root" prooftrackd.conf || fail "sysusers"
grep -q '^prooftrackd:x:[0-9]*:[0-9]*:[^:]*:/var/lib/prooftrackd:.*nologin$' "$root/etc/passwd" ||
    fail "no user without a shell: $(cat "$root/etc/passwd")"
grep -q '^prooftrackd:' "$root/etc/group" || fail "no group"

cp "$units/prooftrackd.tmpfiles" "$root/usr/lib/tmpfiles.d/prooftrackd.conf"
if [ "$(id -u)" = 0 ]; then
    systemd-tmpfiles --root="$root" --create prooftrackd.conf || fail "tmpfiles"
    [ "$(stat -c %a "$root/run/prooftrackd")" = 755 ] || fail "/run/prooftrackd is not 0755"
fi

cp "$units/prooftrackd.catalog" "$root/usr/lib/systemd/catalog/"
journalctl --root="$root" --update-catalog || fail "catalog"
listed=$(journalctl --root="$root" --list-catalog | grep -c ' prooftrackd: ') || true
written=$(grep -c '^-- ' "$units/prooftrackd.catalog")
[ "$listed" = "$written" ] || fail "the catalog has $written entries, systemd reads $listed"

# What `daemon/docs/security.md` and `operations.md` promise by name.
for line in 'Type=notify' 'NotifyAccess=main' 'WatchdogSec=30s' 'Restart=on-failure' 'RestartSec=2s' \
    'RestartPreventExitStatus=64 65 78' \
    'StartLimitIntervalSec=0' 'KillMode=mixed' 'TasksMax=512' 'LimitNOFILE=65536' 'LimitCORE=0' 'User=prooftrackd'; do
    grep -qx "$line" "$units/prooftrackd.service" || fail "prooftrackd.service lacks $line"
done
for line in 'SocketMode=0660' 'SocketGroup=prooftrackd' 'Accept=no' 'FileDescriptorName=api'; do
    grep -qx "$line" "$units/prooftrackd.socket" || fail "prooftrackd.socket lacks $line"
done
for line in 'DynamicUser=yes' 'SupplementaryGroups=prooftrackd' 'EnvironmentFile=/etc/prooftrackd/bridge-%i.env' \
    'LoadCredential=credentials:/etc/prooftrackd/bridge-%i.credentials' 'RestartPreventExitStatus=64' \
    'TimeoutStopSec=45s'; do
    grep -qx "$line" "$units/prooftrackd-bridge@.service" || fail "prooftrackd-bridge@.service lacks $line"
done
# Of a reload that the check refuses the daemon must hear too.
[ "$(grep '^ExecReload=' "$units/prooftrackd.service" | head -1)" = 'ExecReload=/bin/kill -HUP $MAINPID' ] ||
    fail "the first ExecReload is not the signal"
! grep -Eq '^(PrivateUsers=(yes|true)|RuntimeDirectory=)' "$units/prooftrackd.service" ||
    fail "PrivateUsers= or RuntimeDirectory= is set"

[ "$failures" = 0 ] && echo "systemd units: all is well"
exit "$failures"
