// Sessions and KYC: Proof's replies, and each way in which Proof or the way to it fails.

import { refused, taken, type Client } from "./client.js";
import type { Sandbox } from "./sandbox.js";

const order = {
    partner_user_id: "user_17",
    user_email: "ada@shop.example",
    currency: "USDT",
    fiat_currency: "EUR",
    fiat_amount: "49.90",
};

/** Proof's own errors: what it documents, and a status that nobody has heard of. */
const errors: [number, string][] = [
    [400, "unsupported_currency"],
    [401, "invalid_token"],
    [403, "offramp_disabled"],
    [404, "not_found"],
    [409, "session_already_used"],
    [418, "short_and_stout"],
    [422, "kyc_required"],
    [429, "rate_limit_exceeded"],
    [500, "internal_error"],
    [502, "upstream_unavailable"],
    [503, "maintenance"],
];

function errorBody(code: string, more: object = {}) {
    return JSON.stringify({ error: code, code, message: "as it is", ...more });
}

async function callErrors(api: Client, sandbox: Sandbox) {
    const asks = [
        { path: "/widget/session", call: () => api.POST("/v1/sessions", { body: order }) },
        {
            path: "/widget/users/",
            call: () => api.GET("/v1/users/{id}/kyc-status", { params: { path: { id: "user_17" } } }),
        },
    ];
    for (const { path, call } of asks) {
        for (const [status, code] of errors) {
            const retry_after = status === 429 ? { retry_after: "3s" } : {};
            await sandbox.fault(path, { kind: "status", status, body: errorBody(code), ...retry_after });
            const answer = await call();
            refused(answer, status, code);
            const wanted = status === 429 ? "3" : null;
            if (answer.response.headers.get("retry-after") !== wanted) throw new Error(`${path}: Retry-After`);
        }
        await sandbox.fault(path, { kind: "status", status: 200, body: "[]" });
        refused(await call(), 502, "proof_unusable_reply");
        await sandbox.fault(path, { kind: "stall", delay: "20s" });
        refused(await call(), 504, "proof_timeout");
    }
}

async function callConflicts(api: Client, sandbox: Sandbox) {
    const keyed = (key: string, body: { [name: string]: unknown } = order) =>
        api.POST("/v1/sessions", { params: { header: { "Idempotency-Key": key } }, body });
    const first = taken(await keyed("order-1"), 201);
    const again = taken(await keyed("order-1"), 201);
    if (first.merchant_transaction_id !== again.merchant_transaction_id) throw new Error("two sessions of one key");
    refused(await keyed("order-1", { ...order, fiat_amount: "1.00" }), 409, "idempotency_key_reused");
    await sandbox.fault("/widget/session", { kind: "close" });
    const lost = await keyed("order-2");
    if (lost.response.status !== 502) throw new Error(`an answer was lost: ${lost.response.status}`);
    refused(await keyed("order-2"), 409, "session_outcome_unknown");

    const known = errorBody("ok", { merchant_transaction_id: "completed-1", init_token: "x" });
    await sandbox.fault("/widget/session", { kind: "status", status: 200, body: known });
    const other = { ...order, tracking: { metadata: { order: "other" } } };
    const conflict = refused(await api.POST("/v1/sessions", { body: other }), 409, "already_tracked");
    if (conflict["merchant_transaction_id"] !== "completed-1") throw new Error("the conflict does not name the id");
    await sandbox.fault("/widget/session", { kind: "status", status: 422, body: known });
    const { error, response } = await api.POST("/v1/sessions", { body: order });
    if (response.status !== 422 || error?.merchant_transaction_id !== "completed-1") {
        throw new Error("an error that holds a session is passed on whole");
    }
}

export async function callSessions(api: Client, sandbox: Sandbox) {
    const session = { ...order, tracking: { metadata: { order: "A-17" }, overdue_after: "24h" } };
    const made = taken(await api.POST("/v1/sessions", { body: session }), 201);
    if (typeof made["init_token"] !== "string") throw new Error("no init_token");
    const odd = await api.POST("/v1/sessions", { body: { ...order, tracking: { priority: 1 } } });
    refused(odd, 400, "invalid_request");
    const user = taken(await api.GET("/v1/users/{id}/kyc-status", { params: { path: { id: "user_17" } } }), 200);
    if (user.status !== "not_started") throw new Error(`KYC: ${user.status}`);
    refused(await api.GET("/v1/users/{id}/kyc-status", { params: { path: { id: "\u0007" } } }), 400, "invalid_request");
    await callErrors(api, sandbox);
    await callConflicts(api, sandbox);
}
