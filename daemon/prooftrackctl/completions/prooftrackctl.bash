# bash completion for prooftrackctl; installed as .../bash-completion/completions/prooftrackctl

# The daemon's callbacks; nothing while it cannot be asked.
_prooftrackctl_callbacks() { # [SOCKET]
    timeout 2 prooftrackctl ${1:+--socket "$1"} --json status 2>/dev/null | grep -o '"name": *"[^"]*", *"state"' | cut -d '"' -f 4
}

# The newest transactions whose ids begin like this, and the named consumers.
_prooftrackctl_ids() { # [SOCKET] [PREFIX]
    timeout 2 prooftrackctl ${1:+--socket "$1"} --json list --limit 100 ${2:+--id-prefix "$2"} 2>/dev/null |
        sed -n 's/^{"merchant_transaction_id": *"\([^"]*\)".*/\1/p'
}
_prooftrackctl_consumers() { # [SOCKET]
    timeout 2 prooftrackctl ${1:+--socket "$1"} --json consumers 2>/dev/null | sed -n 's/^{"name": *"\([^"]*\)".*/\1/p'
}

_prooftrackctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="track import get explain wait list set untrack poll session kyc events deliveries redeliver replay replays callback secret consumers
        bridge listen pause resume flush dismiss reconcile export status cluster top backup log-level maintenance doctor help"
    local global="--socket --json --help --version"
    local command="" sub="" socket="" word i skip=0
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; ++i)); do
        word=${COMP_WORDS[i]}
        if ((skip)); then
            skip=0
            socket=$word
        elif [[ $word == --socket && -z $command ]]; then
            skip=1
        elif [[ $word != -* ]]; then
            if [[ -z $command ]]; then
                command=$word
            elif [[ -z $sub ]]; then
                sub=$word
            fi
        fi
    done

    case $previous in
        --socket | --body | --secret-file | --report | --config | --credentials-file | --ca-file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        --state)
            local states="tracking settled overdue not_found rejected abandoned untracked"
            [[ $command == deliveries ]] && states="pending delivered dead dismissed"
            [[ $command == untrack ]] && states="tracking overdue not_found rejected"
            mapfile -t COMPREPLY < <(compgen -W "$states" -- "$current")
            return
            ;;
        --status)
            mapfile -t COMPREPLY < <(compgen -W "pending processing completed failed cancelled" -- "$current")
            return
            ;;
        --format)
            mapfile -t COMPREPLY < <(compgen -W "csv ndjson" -- "$current")
            return
            ;;
        --type)
            local types="buy sell"
            [[ $command == replay ]] && types="transaction.completed transaction.failed transaction.cancelled transaction.overdue
                transaction.not_found transaction.rejected transaction.abandoned transaction.reversed transaction.updated"
            mapfile -t COMPREPLY < <(compgen -W "$types" -- "$current")
            return
            ;;
        --callback | --not-delivered-to)
            mapfile -t COMPREPLY < <(compgen -W "$(_prooftrackctl_callbacks "$socket")" -- "$current")
            return
            ;;
        --consumer)
            mapfile -t COMPREPLY < <(compgen -W "$(_prooftrackctl_consumers "$socket")" -- "$current")
            return
            ;;
        --amqp | --redis | --exchange | --routing-key | --stream | --max-length | --replicas)
            return
            ;;
        --transaction)
            mapfile -t COMPREPLY < <(compgen -W "$(_prooftrackctl_ids "$socket" "$current")" -- "$current")
            return
            ;;
        --metadata | --since | --until | --tracked-after | --tracked-before | --settled-after | --settled-before | --id-prefix | \
            --callback-url | --overdue-after | --timeout | --limit | --after | --before | --seq | --count | --answer | \
            --interval | --field | --idempotency-key | --partner-user-id | --user-email | --currency | --network | --amount | \
            --fiat-currency | --fiat-amount | --crypto-amount | --redirect-url | --client-ip | --address | --lang | --note)
            return
            ;;
    esac

    local words=""
    case $command in
        "") words="$commands $global" ;;
        track) words="--metadata --callback-url --overdue-after --wait --timeout" ;;
        get | explain | set | untrack | poll | wait)
            [[ -z $sub && $current != -* ]] && words=$(_prooftrackctl_ids "$socket" "$current")
            [[ $command == wait ]] && words="$words --timeout"
            [[ $command == set ]] && words="$words --metadata --callback-url --no-callback-url"
            [[ $command == untrack ]] && words="$words --state --status --metadata --tracked-before --dry-run --yes"
            ;;
        list) words="--state --status --metadata --tracked-after --tracked-before --settled-after --settled-before
            --not-delivered-to --id-prefix --limit --all" ;;
        session) words="--body --partner-user-id --user-email --type --currency --network --amount --fiat-currency --fiat-amount
            --crypto-amount --redirect-url --client-ip --address --lang --field --metadata --callback-url --overdue-after
            --idempotency-key" ;;
        events) words="--follow --after --limit --since --until" ;;
        deliveries) words="--state --callback --transaction --since --until --limit --all" ;;
        redeliver)
            words="--dead --callback --dry-run"
            [[ -z $sub && $current != -* ]] && words="$(_prooftrackctl_ids "$socket" "$current") $words"
            ;;
        replay)
            words="--since --until --after --before --type --missing --all --dry-run --wait"
            [[ -z $sub && $current != -* ]] && words="$(_prooftrackctl_callbacks "$socket") $words"
            ;;
        replays) [[ -z $sub ]] && words="cancel" ;;
        callback)
            if [[ -z $sub ]]; then
                words="test"
            elif [[ $previous == test ]]; then
                words=$(_prooftrackctl_callbacks "$socket")
            fi
            ;;
        pause | resume | flush) [[ -z $sub && $current != -* ]] && words=$(_prooftrackctl_callbacks "$socket") ;;
        dismiss) words="--dead --callback --note" ;;
        help) words="$commands" ;;
        secret) [[ -z $sub ]] && words="new" ;;
        consumers)
            if [[ -z $sub ]]; then
                words="add ack remove"
            elif [[ $sub == add ]]; then
                words="--seq"
            elif [[ $previous == "$sub" ]]; then
                words=$(_prooftrackctl_consumers "$socket")
            fi
            ;;
        bridge) words="--consumer --amqp --exchange --routing-key --redis --stream --max-length --replicas
            --credentials-file --ca-file --from-oldest --allow-plain" ;;
        listen) words="--secret-file --count --answer" ;;
        reconcile) words="--since --until --report --force" ;;
        export)
            words="--format --since --until"
            [[ -z $sub ]] && words="transactions events deliveries $words"
            ;;
        status) words="--check" ;;
        top) words="--interval" ;;
        backup) words="--force" ;;
        log-level) words="critical error warning notice info debug" ;;
        maintenance)
            if [[ -z $sub ]]; then
                words="on off status"
            elif [[ $sub != status ]]; then
                words="--note"
            fi
            ;;
        doctor) words="--config --test" ;;
    esac
    [[ -n $command ]] && words="$words --socket --json --help"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    if [[ $current != -* && ( $command == import || $command == backup || $command == reconcile ) ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
    fi
}

complete -F _prooftrackctl prooftrackctl
