# shellcheck shell=bash disable=SC2154
# daemon/demo --cluster, sourced by it: three daemons on one PostgreSQL, of which one is killed.

postgres=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
postgres=${postgres%/initdb}
require_postgres() {
    [[ -n $postgres ]] && return
    printf '%s\n' "${red}daemon/demo --cluster needs PostgreSQL's programs: sudo apt-get install postgresql${off}" \
        "It starts a server of its own from them, in a folder that goes with the demo; a running one is left alone." >&2
    exit 69
}

# PostgreSQL refuses to run as root.
as_ordinary_user() {
    if ((EUID == 0)); then
        exec setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"
    fi
    exec "$@"
}

start_postgres() {
    mkdir -m 0700 "$state/pg"
    if ((EUID == 0)); then
        chmod 0711 "$state"
        chown nobody "$state/pg"
    fi
    (cd / && as_ordinary_user "$postgres/initdb" -D "$state/pg/data" -U demo -A trust -E UTF8 --no-sync) \
        >"$state/postgres.log" 2>&1 || fail "PostgreSQL's initdb"
    # On a Unix socket alone. Without fsync: a demo's data may go with the machine's power.
    (cd / && as_ordinary_user "$postgres/postgres" -D "$state/pg/data" -k "$state/pg" \
        -c listen_addresses= -c fsync=off) >>"$state/postgres.log" 2>&1 &
    pids+=("$!")
    wait_for 20 "PostgreSQL did not start" \
        "$postgres/createdb" -h "$state/pg" -U demo prooftrackd 2>>"$state/postgres.log"
}

declare -A node_pids
start_node() { # NAME
    cat >"$state/$1.toml" <<TOML
[proof]
base_url   = "$proof"
token_file = "$state/proof/client_token"
ca_file    = "$state/proof/ca.pem"

[poll]
interval = ["500ms", "1s"]    # for the demo; Proof asks for 5 to 10 s

[store]
url = "postgresql://demo@/prooftrackd?host=$state/pg"

[cluster]
node = "$1"

[api]
socket = "$state/$1.sock"

[[callback]]
name        = "shop"
url         = "${shop%/}/hooks/proof"
secret_file = "$state/webhook_secret"
TOML
    "$daemon" --config "$state/$1.toml" >"$state/$1.log" 2>&1 &
    node_pids[$1]=$!
    pids+=("$!")
}
at() { # NODE ARGUMENT…
    local node=$1
    shift
    "$ctl" --socket "$state/$node.sock" "$@"
}
answers() { at "$1" status >/dev/null 2>&1; }
owned_by() { # NODE: ids, as another node says
    at a --json list --all | grep "\"node\": *\"$1\"" |
        sed -n 's/.*"merchant_transaction_id": *"\([^"]*\)".*/\1/p' | sort
}
polled_since_the_log_was_emptied() {
    "${curl[@]}" "$proof/sandbox/log?path=/widget/transactions/" |
        sed -n 's|.*"path":"/widget/transactions/\([^"]*\)".*|\1|p' | sort -u
}
all_polled() { [[ -z $(comm -23 "$state/lost" <(polled_since_the_log_was_emptied)) ]]; }
all_told() { (($(grep -c '"type": *"transaction\.completed"' "$state/events.json") >= ends)); }
three_share() { (($(at a --json list --all | grep -o '"node": *"[abc]"' | sort -u | wc -l) == 3)); }

run_cluster() {
    say "Starting PostgreSQL (in a throw-away folder), a stand-in Proof, a shop's receiver, and three daemons"
    start_postgres
    start_proof
    start_receiver
    for name in a b c; do start_node "$name"; done
    for name in a b c; do wait_for 20 "node $name did not answer on its socket" answers "$name"; done

    local ends=30 waiting=60 number
    say "$((ends + waiting)) transactions, imported by node a; $ends of them end within the next 15 s"
    {
        printf '{"transactions": {'
        for ((number = 1; number <= ends; ++number)); do
            ((number > 1)) && printf ','
            printf '"pays-%d": {"status": "pending", "script": [{"after": "%dms", "status": "completed"}]}' \
                "$number" $((1000 + number * 450))
        done
        printf '}}'
    } >"$state/script.json"
    "${curl[@]}" -X PUT "$proof/sandbox/script" -d "@$state/script.json" >/dev/null ||
        fail "the sandbox refused a script"
    {
        for ((number = 1; number <= ends; ++number)); do echo "pays-$number"; done
        for ((number = 1; number <= waiting; ++number)); do echo "waits-$number"; done
    } >"$state/ids"
    at a import "$state/ids" >/dev/null 2>"$state/import.log" || fail "the import: $(<"$state/import.log")"
    wait_for 10 "the nodes do not share the ids" three_share
    at c cluster

    owned_by b | grep '^waits-' >"$state/lost"
    local lost killed
    lost=$(wc -l <"$state/lost")
    say "kill -9 of node b, which polls $lost of those that wait"
    forget "${node_pids[b]}"
    kill -KILL "${node_pids[b]}"
    wait "${node_pids[b]}" 2>/dev/null || true
    "${curl[@]}" -X DELETE "$proof/sandbox/log" >/dev/null
    killed=$(date +%s%N)
    wait_for 15 "ids of the killed node are not polled" all_polled
    local tenths=$((($(date +%s%N) - killed) / 100000000))
    printf '  after %d.%d s each of them was polled by a or c\n' $((tenths / 10)) $((tenths % 10))
    at a cluster

    wait_for 30 "only $(grep -c '"transaction.completed"' "$state/events.json") of $ends callbacks came" all_told
    say "What the receiver got, each signature verified"
    for ((number = 1; number <= ends; ++number)); do
        grep -q "\"pays-$number\"" "$state/events.json" || fail "no callback came for pays-$number"
    done
    local told
    told=$(grep '"type": *"transaction\.completed"' "$state/events.json" | grep -o '"id": *"evt_[^"]*"' |
        sort -u | wc -l)
    ((told == ends)) || fail "$ends transactions were told under $told event ids"
    if grep -q '^.*refused with' "$state/receiver.log"; then fail "the receiver refused a callback"; fi
    for name in a c; do
        at "$name" --json events | sed -n 's/.*"seq": *\([0-9]*\).*/\1/p' |
            awk '$1 != NR { exit 1 } END { if (NR == 0) exit 1 }' || fail "the log of events has a gap at node $name"
    done
    printf '  %s%d x transaction.completed%s, none lost, none under a second id; the log has no gap\n' \
        "$green" "$ends" "$off"
    say "${green}Node b was killed, its ids were polled by the others and no callback was lost," \
        "in $((SECONDS - run_started)) s."
    printf '%s\n' "How to run it so: daemon/docs/postgresql.md"
}
