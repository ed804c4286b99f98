# fish completion for prooftrackctl; installed as .../vendor_completions.d/prooftrackctl.fish

set -l commands track import get explain wait list untrack poll session kyc events deliveries redeliver callback secret consumers \
    listen pause resume flush dismiss reconcile export status top backup log-level help
set -l none "not __fish_seen_subcommand_from $commands"

complete -c prooftrackctl -f
complete -c prooftrackctl -l socket -r -F -d "The daemon's socket"
complete -c prooftrackctl -l json -d "JSON for programs, a line an item"
complete -c prooftrackctl -s h -l help -d "Show help"
complete -c prooftrackctl -n "$none" -l version -d "Show the version"

complete -c prooftrackctl -n "$none" -a track -d "Track a transaction"
complete -c prooftrackctl -n "$none" -a import -d "Track many, an id or a JSON object a line"
complete -c prooftrackctl -n "$none" -a get -d "Show a transaction"
complete -c prooftrackctl -n "$none" -a explain -d "Say why a transaction is where it is"
complete -c prooftrackctl -n "$none" -a wait -d "Wait until a transaction has ended"
complete -c prooftrackctl -n "$none" -a list -d "List transactions"
complete -c prooftrackctl -n "$none" -a untrack -d "End the tracking of a transaction"
complete -c prooftrackctl -n "$none" -a poll -d "Ask Proof about a transaction now"
complete -c prooftrackctl -n "$none" -a session -d "Create a session with Proof"
complete -c prooftrackctl -n "$none" -a kyc -d "Ask for a user's identity-verification status"
complete -c prooftrackctl -n "$none" -a events -d "Show the event log, or follow it"
complete -c prooftrackctl -n "$none" -a deliveries -d "List what is owed to callbacks"
complete -c prooftrackctl -n "$none" -a redeliver -d "Send again, now"
complete -c prooftrackctl -n "$none" -a callback -d "Try a callback out"
complete -c prooftrackctl -n "$none" -a secret -d "Secrets that sign webhooks"
complete -c prooftrackctl -n "$none" -a consumers -d "List the named consumers, or change them"
complete -c prooftrackctl -n "$none" -a listen -d "Receive webhooks here and verify them"
complete -c prooftrackctl -n "$none" -a pause -d "Hold a callback up"
complete -c prooftrackctl -n "$none" -a resume -d "Let a paused callback go on"
complete -c prooftrackctl -n "$none" -a flush -d "Send what is pending for a callback now"
complete -c prooftrackctl -n "$none" -a dismiss -d "Let dead deliveries go"
complete -c prooftrackctl -n "$none" -a reconcile -d "Compare your own list of payments"
complete -c prooftrackctl -n "$none" -a export -d "Write transactions, events or deliveries out"
complete -c prooftrackctl -n "$none" -a status -d "Show how the daemon is"
complete -c prooftrackctl -n "$none" -a top -d "The same, live"
complete -c prooftrackctl -n "$none" -a backup -d "Write a consistent copy of the database"
complete -c prooftrackctl -n "$none" -a log-level -d "Change what the daemon logs"
complete -c prooftrackctl -n "$none" -a help -d "Show the help of a command"

# The daemon's callbacks; nothing while it cannot be asked.
function __prooftrackctl_callbacks
    timeout 2 prooftrackctl --json status 2>/dev/null | string match -ar '"name": *"[^"]*", *"state"' | string split -f 4 '"'
end

# The newest transactions whose ids begin like this, and the named consumers.
function __prooftrackctl_ids
    set -l begun (commandline -ct)
    set -l prefix
    test -n "$begun"; and set prefix --id-prefix $begun
    timeout 2 prooftrackctl --json list --limit 100 $prefix 2>/dev/null | string replace -fr '^\{"merchant_transaction_id": *"([^"]*)".*' '$1'
end
function __prooftrackctl_consumers
    timeout 2 prooftrackctl --json consumers 2>/dev/null | string replace -fr '^\{"name": *"([^"]*)".*' '$1'
end

set -l seen "__fish_seen_subcommand_from"
complete -c prooftrackctl -n "$seen get explain untrack poll wait redeliver" -k -a "(__prooftrackctl_ids)" -d "Transaction"
complete -c prooftrackctl -n "$seen track session" -l metadata -x -d "A member of the metadata, KEY=VALUE"
complete -c prooftrackctl -n "$seen track session" -l callback-url -x -d "Tell this URL too"
complete -c prooftrackctl -n "$seen track session" -l overdue-after -x -d "Overdue after that long"
complete -c prooftrackctl -n "$seen track" -l wait -d "Wait for its end"
complete -c prooftrackctl -n "$seen track wait" -l timeout -x -d "Longest wait"
complete -c prooftrackctl -n "$seen list" -l state -x -a "tracking settled overdue not_found rejected abandoned untracked" -d "Our state"
complete -c prooftrackctl -n "$seen list" -l status -x -a "pending processing completed failed cancelled" -d "Proof's status"
complete -c prooftrackctl -n "$seen list" -l metadata -x -d "With this member of the metadata, KEY=VALUE"
complete -c prooftrackctl -n "$seen list" -l tracked-after -x -d "Tracked later than this"
complete -c prooftrackctl -n "$seen list" -l tracked-before -x -d "Tracked earlier than this"
complete -c prooftrackctl -n "$seen list" -l settled-after -x -d "Settled later than this"
complete -c prooftrackctl -n "$seen list" -l settled-before -x -d "Settled earlier than this"
complete -c prooftrackctl -n "$seen list" -l not-delivered-to -x -a "(__prooftrackctl_callbacks)" -d "Owed to this callback"
complete -c prooftrackctl -n "$seen list" -l id-prefix -x -d "Ids that begin like this"
complete -c prooftrackctl -n "$seen events deliveries" -l since -x -d "Of this time or later"
complete -c prooftrackctl -n "$seen events deliveries" -l until -x -d "Earlier than this"
complete -c prooftrackctl -n "$seen list deliveries" -l limit -x -d "At most that many"
complete -c prooftrackctl -n "$seen list deliveries" -l all -d "All of them"
complete -c prooftrackctl -n "$seen import backup reconcile" -F
complete -c prooftrackctl -n "$seen session" -l body -r -F -d "Send this JSON as it is"
complete -c prooftrackctl -n "$seen session" -l partner-user-id -x -d "Your id of the user"
complete -c prooftrackctl -n "$seen session" -l user-email -x -d "E-mail address"
complete -c prooftrackctl -n "$seen session" -l type -x -a "buy sell" -d "Direction"
complete -c prooftrackctl -n "$seen session" -l currency -x -d "Crypto currency"
complete -c prooftrackctl -n "$seen session" -l network -x -a "TRC20 ERC20 BEP20" -d "Network"
complete -c prooftrackctl -n "$seen session" -l amount -x -d "Crypto amount"
complete -c prooftrackctl -n "$seen session" -l fiat-currency -x -a "EUR USD" -d "Fiat currency"
complete -c prooftrackctl -n "$seen session" -l fiat-amount -x -d "Fiat amount"
complete -c prooftrackctl -n "$seen session" -l crypto-amount -x -d "Crypto amount (first generation)"
complete -c prooftrackctl -n "$seen session" -l redirect-url -x -d "Where the user is sent"
complete -c prooftrackctl -n "$seen session" -l client-ip -x -d "The end user's address"
complete -c prooftrackctl -n "$seen session" -l address -x -d "Wallet address"
complete -c prooftrackctl -n "$seen session" -l lang -x -d "The widget's language"
complete -c prooftrackctl -n "$seen session" -l field -x -d "Any other field, KEY=VALUE"
complete -c prooftrackctl -n "$seen session" -l idempotency-key -x -d "Never a second session"
complete -c prooftrackctl -n "$seen events" -s f -l follow -d "Go on with new events"
complete -c prooftrackctl -n "$seen events" -l after -x -d "Begin behind this seq"
complete -c prooftrackctl -n "$seen events" -l limit -x -d "End after that many"
complete -c prooftrackctl -n "$seen deliveries" -l state -x -a "pending delivered dead dismissed" -d "State"
complete -c prooftrackctl -n "$seen deliveries redeliver dismiss" -l callback -x -a "(__prooftrackctl_callbacks)" -d "Of this callback"
complete -c prooftrackctl -n "$seen deliveries" -l transaction -x -k -a "(__prooftrackctl_ids)" -d "Of this transaction"
complete -c prooftrackctl -n "$seen redeliver dismiss" -l dead -d "All dead ones"
complete -c prooftrackctl -n "$seen callback; and not $seen test" -a test -d "Send one signed callback.test event"
complete -c prooftrackctl -n "$seen test" -a "(__prooftrackctl_callbacks)" -d "Callback"
complete -c prooftrackctl -n "$seen pause resume flush" -a "(__prooftrackctl_callbacks)" -d "Callback"
complete -c prooftrackctl -n "$seen dismiss" -l note -x -d "Why"
complete -c prooftrackctl -n "$seen help" -a "$commands" -d "Command"
complete -c prooftrackctl -n "$seen secret" -a new -d "Print a new secret"
complete -c prooftrackctl -n "$seen consumers; and not $seen add ack remove" -a "add ack remove"
complete -c prooftrackctl -n "$seen ack remove" -a "(__prooftrackctl_consumers)" -d "Consumer"
complete -c prooftrackctl -n "$seen consumers" -l seq -x -d "Position"
complete -c prooftrackctl -n "$seen listen" -l secret-file -r -F -d "The secrets"
complete -c prooftrackctl -n "$seen listen" -l count -x -d "End after that many events"
complete -c prooftrackctl -n "$seen listen" -l answer -x -d "Status given to verified events"
complete -c prooftrackctl -n "$seen top" -l interval -x -d "Time between two looks"
complete -c prooftrackctl -n "$seen backup reconcile" -l force -d "Replace the file"
complete -c prooftrackctl -n "$seen reconcile" -l since -x -d "Your list begins here"
complete -c prooftrackctl -n "$seen reconcile" -l until -x -d "Your list ends before this time"
complete -c prooftrackctl -n "$seen reconcile" -l report -r -F -d "Also write a page of HTML"
complete -c prooftrackctl -n "$seen export; and not $seen transactions events deliveries" -a "transactions events deliveries"
complete -c prooftrackctl -n "$seen export" -l format -x -a "csv ndjson" -d "How"
complete -c prooftrackctl -n "$seen export" -l since -x -d "Of this time or later"
complete -c prooftrackctl -n "$seen export" -l until -x -d "Earlier than this"
complete -c prooftrackctl -n "$seen log-level" -a "critical error warning notice info debug"
