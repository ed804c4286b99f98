// Changing options, and ending the tracking of many.

import { refused, taken, type Client } from "./client.js";

const unknown = { params: { path: { id: "never-seen" } } };

async function callOptions(api: Client) {
    const of = { params: { path: { id: "set-1" } } };
    taken(await api.POST("/v1/transactions", { body: { merchant_transaction_id: "set-1" } }), 201);
    const metadata = { order: "B-7", items: [1.5] };
    const changed = taken(await api.PATCH("/v1/transactions/{id}", { ...of, body: { metadata } }), 200);
    if (changed.metadata["order"] !== "B-7") throw new Error(`not changed: ${JSON.stringify(changed)}`);
    taken(await api.PATCH("/v1/transactions/{id}", { ...of, body: { callback_url: null } }), 200);
    refused(await api.PATCH("/v1/transactions/{id}", { ...of, body: {} }), 400, "invalid_request");
    refused(await api.PATCH("/v1/transactions/{id}", { ...unknown, body: { metadata } }), 404, "unknown_transaction");
    taken(await api.DELETE("/v1/transactions/{id}", of), 200);
    refused(await api.PATCH("/v1/transactions/{id}", { ...of, body: { metadata } }), 409, "already_ended");
}

async function callUntrack(api: Client) {
    for (const id of ["bulk-1", "bulk-2"]) {
        const body = { merchant_transaction_id: id, metadata: { batch: "bulk" } };
        taken(await api.POST("/v1/transactions", { body }), 201);
    }
    const filter = { state: "tracking" as const, "metadata.batch": "bulk", tracked_before: "2100-01-01T00:00:00Z" };
    const counted = taken(await api.POST("/v1/transactions/untrack", { body: { filter, dry_run: true } }), 200);
    if (counted.matched !== 2 || counted.untracked !== 0) throw new Error(`counted ${JSON.stringify(counted)}`);
    const ended = taken(await api.POST("/v1/transactions/untrack", { body: { filter } }), 200);
    if (ended.matched !== 2 || ended.untracked !== 2) throw new Error(`ended ${JSON.stringify(ended)}`);
    refused(await api.POST("/v1/transactions/untrack", { body: { filter: {} } }), 400, "invalid_request");
    // @ts-expect-error: what is settled can be untracked no more
    const late = await api.POST("/v1/transactions/untrack", { body: { filter: { state: "settled" } } });
    refused(late, 400, "invalid_request");
}

export async function callChanges(api: Client) {
    await callOptions(api);
    await callUntrack(api);
}
