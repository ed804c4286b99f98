/* The outbox: each event is recorded with the state, in one commit, before it is delivered to a callback.
 *
 * One transaction id that ends (`settled`) and may end otherwise later (`reversed`): so at most two events, one
 * delivery each, to one callback. The daemon may crash before and after each step, which loses what was not committed.
 * The network may lose a request or its answer. run.sh says what is checked, README.md what the parts stand for.
 */

#ifndef CRASHES
#define CRASHES 3
#endif
#ifndef LOSSES
#define LOSSES 3      /* answers of the callback that do not come, and refusals */
#endif
#define EVENTS 2

/* Proof, and what the merchant was sent: beyond the daemon's crashes. */
byte proof_word = 0;            /* 0 pending, 1 completed, 2 the other terminal word */
bool acknowledged = false;      /* the POST was answered 201 */
byte sent[EVENTS + 1];          /* how often the callback took event n (from 1), saturated at 2 */
byte sent_id[EVENTS + 1];       /* the id under which it was sent first */
byte last_new = 0;              /* the newest event that was new to the callback */

/* On the disk. */
bool stored = false;
byte stored_word = 0;           /* the last terminal word that was recorded */
byte log_length = 0;
byte log_id[EVENTS + 1];        /* the id of event n, 0 = not in the log */
byte log_word[EVENTS + 1];
bool owed[EVENTS + 1];          /* its delivery is pending */

/* In memory: a crash forgets it. */
bool tracked = false;           /* in the schedule */
byte answer = 0;                /* a terminal word that Proof gave and that is not yet recorded */
bool may_send = false;          /* the head of the lane may be attempted */

byte next_id = 1;               /* every draw gives a new id */
byte crashes = 0;
byte losses = 0;
bool up = true;

/* Nothing is emitted that is not durable, always with the same id, in order. */
inline check_sent(n, id) {
    assert(log_id[n] == id);                    /* promise 5: recorded, and so nothing else is sent */
    assert(sent[n] == 0 || sent_id[n] == id);   /* promise 2: one id for ever */
    assert(n == 1 || sent[n - 1] > 0);          /* promise 4: in order */
    assert(n >= last_new);                      /* a repeat comes before its successor, not after */
}

inline receive(n, id) {
    check_sent(n, id);
    sent_id[n] = id;
    sent[n] = (sent[n] < 2 -> sent[n] + 1 : 2);
    last_new = (n > last_new -> n : last_new);
}

active proctype proof() {
    atomic { proof_word = 1 };
    if
    :: atomic { proof_word = 2 }                /* a reversal: at any time after the first end, or never */
    :: skip
    fi
}

/* The client posts until it has an answer, as the README says that it may. */
active proctype client() {
    do
    :: acknowledged -> break
    :: atomic { !acknowledged && up && !stored -> stored = true; tracked = true }
        /* committed; the crash may come before the answer */
    :: atomic { !acknowledged && up && stored -> acknowledged = true }
    od
}

/* The daemon. Each option is one step of it; crash() may fall between any two. */
active proctype daemon() {
    byte n;
    byte id;
end_idle:
    do
    /* Poll: the answer is in memory alone. */
    :: atomic { up && tracked && answer == 0 && proof_word != 0 && proof_word != stored_word && log_length < EVENTS ->
        answer = proof_word }
    /* Commit: state, event and owed delivery together. */
    :: atomic { up && answer != 0 && answer != stored_word ->
#ifdef EMIT_BEFORE_COMMIT
           n = log_length + 1; id = next_id; next_id++ };
       atomic { if
                :: up && answer != 0 -> receive(n, id)      /* the mutation: sent first, then recorded */
                :: else
                fi };
       atomic { if
                :: up && answer != 0 ->
#else
           id = next_id; next_id++;
#endif
           log_length++;
           log_id[log_length] = id;
           log_word[log_length] = answer;
           owed[log_length] = true;
           stored_word = answer;
           answer = 0;
           may_send = true;
#ifdef EMIT_BEFORE_COMMIT
                :: else
                fi;
#endif
           n = 0; id = 0 }
    /* Attempt of the head, the first pending delivery. It arrives or not; the next steps record the outcome or not. */
    :: atomic { up && may_send && (owed[1] || owed[2]) ->
           n = (owed[1] -> 1 : 2);
           may_send = false;
           if
           :: receive(n, log_id[n])             /* it arrives and is answered 2xx */
           :: losses < LOSSES -> losses++; receive(n, log_id[n]); n = 0 /* the answer is lost: it counts as failed */
           :: losses < LOSSES -> losses++; n = 0                             /* refused, or it never arrived */
           fi };
       atomic { if
                :: up && n != 0 -> owed[n] = false      /* success is recorded: only this ends a delivery */
                :: else
                fi;
                may_send = up; n = 0 }
    /* Power comes back: everything is read from the disk. */
    :: atomic { !up -> up = true; tracked = stored; answer = 0; n = 0; id = 0; may_send = true }
    od
}

active proctype crash() {
    do
    :: atomic { crashes < CRASHES && up -> crashes++; up = false; tracked = false; answer = 0; may_send = false }
    :: crashes == CRASHES -> break
    :: break
    od
}

/* What each crash may leave behind must already hold on the disk. */
#define consistent ((!acknowledged || stored) && (log_length == 0 || log_word[log_length] == stored_word) && \
                    (stored_word == 0 || log_length > 0))
#define one_id (log_length < 2 || log_id[1] != log_id[2])
#define none_dropped (log_id[1] == 0 || owed[1] || sent[1] > 0) && (log_id[2] == 0 || owed[2] || sent[2] > 0)
#define all_sent (log_length > 0 && sent[1] > 0 && (log_length < 2 || sent[2] > 0))

ltl promise_1 { [] (acknowledged -> [] stored) }
ltl promise_2 { [] (consistent && one_id) }
ltl promise_3 { [] (none_dropped) }
/* Crashes and losses come to an end, then whoever was promised an end hears of it. */
ltl promise_3_in_time { [] (acknowledged -> <> all_sent) }
/* Does not hold, and must not: both events, both sent twice, after every crash and loss. */
ltl never_all_of_it { [] !(acknowledged && sent[1] == 2 && sent[2] == 2 &&
                           crashes == CRASHES && losses == LOSSES && log_length == 2) }
