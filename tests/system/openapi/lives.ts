// Transactions that come to every state and every event.

import { pageOf, taken, type Client, type Event } from "./client.js";
import type { Sandbox } from "./sandbox.js";

/** The ids, each with the event that it comes to. */
export type Lives = Map<string, Event["type"]>;

export async function statesOf(api: Client, sandbox: Sandbox): Promise<Lives> {
    const lives: Lives = new Map();
    const live = async (id: string, type: Event["type"], overdue_after?: string) => {
        const body = { merchant_transaction_id: id, metadata: { life: type }, ...(overdue_after && { overdue_after }) };
        const header = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" };
        taken(await api.POST("/v1/transactions", { params: { header }, body }), 201);
        lives.set(id, type);
    };
    for (const word of ["completed", "failed", "cancelled"] as const) {
        await sandbox.set(`${word}-1`, { status: word });
        await live(`${word}-1`, `transaction.${word}`);
    }
    await sandbox.set("reversed-1", {
        script: [
            { after: "0s", status: "failed" },
            { after: "1200ms", status: "completed" },
        ],
    });
    await live("reversed-1", "transaction.reversed");
    await sandbox.set("updated-1", {
        script: [
            { after: "0s", status: "pending" },
            { after: "1s", status: "processing" },
        ],
    });
    await live("updated-1", "transaction.updated");
    await sandbox.set("abandoned-1", { status: "pending" });
    await live("abandoned-1", "transaction.abandoned");
    await sandbox.set("overdue-1", { status: "pending" });
    await live("overdue-1", "transaction.overdue", "500ms");
    await live("not-found-1", "transaction.not_found"); // the sandbox does not know it
    await sandbox.set("rejected-1", { status: "pending" });
    await sandbox.fault("/widget/transactions/rejected-1", { kind: "status", status: 400, count: 1000 });
    await live("rejected-1", "transaction.rejected");
    return lives;
}

/** Waits until each has its event in the log, and reads their histories. */
export async function endOf(api: Client, lives: Lives) {
    const missing = new Map(lives);
    const until = Date.now() + 30_000;
    for (let after = 0; missing.size > 0; ) {
        if (Date.now() > until) throw new Error(`no event of ${[...missing.keys()].join(", ")}`);
        const query = { after, limit: 100, wait: "1s" };
        const page = pageOf(await api.GET("/v1/events", { params: { query } }));
        for (const { type, data } of page.events) {
            if (missing.get(data.merchant_transaction_id) === type) missing.delete(data.merchant_transaction_id);
        }
        after = page.next_after;
    }
    for (const id of lives.keys()) {
        const history = taken(await api.GET("/v1/transactions/{id}/history", { params: { path: { id } } }), 200);
        if (history.changes.length === 0) throw new Error(`${id} has no history`);
    }
    taken(await api.GET("/v1/transactions", { params: { query: { limit: 1000 } } }), 200);
}
