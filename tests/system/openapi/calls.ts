// Calls every operation through the generated client, well and badly: calls.js SOCKET SANDBOX_FOLDER RECORD
// The daemon has the callbacks `backend`, `gone` (answers 410) and `nobody` (refuses connections), the clocks of
// openapi_test.py, and an empty database. What went over the wire is written to RECORD for check.js.

import { writeFileSync } from "node:fs";
import { callChanges } from "./changes.js";
import { makeClient, refused, taken, type Exchange } from "./client.js";
import { endOf, statesOf } from "./lives.js";
import { Sandbox } from "./sandbox.js";
import { callSessions } from "./sessions.js";
import { callEvents, callExports, callReconcile } from "./streams.js";

const [socketPath = "", sandboxFolder = "", recordPath = ""] = process.argv.slice(2);
const exchanges: Exchange[] = [];
const { client: api, close } = makeClient(socketPath, exchanges);
const sandbox = new Sandbox(sandboxFolder);
const nonsense = { query: { nonsense: 1 } as never };
const unknown = { path: { id: "never-seen" } };

async function callTracking() {
    const metadata = { order: "A-17", amount: 1.5, items: [{ sku: "x" }] };
    const body = { merchant_transaction_id: "track-1", metadata, overdue_after: "24h" };
    const made = taken(await api.POST("/v1/transactions", { body }), 201);
    if (!("state" in made) || made.state !== "tracking" || made.metadata["order"] !== "A-17") {
        throw new Error(`not as it was tracked: ${JSON.stringify(made)}`);
    }
    taken(await api.POST("/v1/transactions", { body }), 200);
    const other = { ...body, metadata: { order: "A-18" } };
    refused(await api.POST("/v1/transactions", { body: other }), 409, "already_tracked");
    // @ts-expect-error: metadata is an object
    refused(await api.POST("/v1/transactions", { body: { ...body, metadata: [] } }), 400, "invalid_request");
    refused(await api.POST("/v1/transactions", { body: { ...body, priority: 1 } }), 400, "invalid_request");
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    const asForm = { body, headers: form, bodySerializer: () => "a=b" };
    refused(await api.POST("/v1/transactions", asForm), 415, "unsupported_media_type");
    const packed = { body, headers: { "Content-Encoding": "gzip" } };
    refused(await api.POST("/v1/transactions", packed), 415, "unsupported_media_type");
    const big = { ...body, metadata: { text: "x".repeat(2_000_000) } };
    refused(await api.POST("/v1/transactions", { body: big }), 413, "too_large");
    const padded = { body, headers: { "X-Padding": "x".repeat(17_000) } };
    refused(await api.POST("/v1/transactions", padded), 431, "header_too_large");
}

async function callImport() {
    const lines = (text: string) => ({
        body: text,
        headers: { "Content-Type": "application/x-ndjson" },
        bodySerializer: (body: unknown) => body as string,
    });
    const again = '{"merchant_transaction_id": "import-1"}';
    const other = '{"merchant_transaction_id": "track-1", "metadata": {"order": "A-18"}}';
    const text = ["import-1", '"import-2"', again, "not an id", other, "x".repeat(40_000)].join("\n");
    const summary = taken(await api.POST("/v1/transactions", lines(text)), 200);
    if (!("rejected" in summary)) throw new Error("an import is answered by its summary");
    const rejected = summary.rejected.map(({ line, code }) => `${line} ${code}`).join(", ");
    const told = `${summary.created} ${summary.existing} ${rejected}`;
    if (told !== "2 1 4 invalid_request, 5 already_tracked, 6 too_large") throw new Error(`another summary: ${told}`);
    refused(await api.POST("/v1/transactions", lines("x\n".repeat(100_001))), 413, "too_large");
}

async function callTransactions() {
    const page = taken(await api.GET("/v1/transactions", { params: { query: { limit: 1 } } }), 200);
    if (page.next_cursor === null) throw new Error("there are more");
    const next = { limit: 1000, cursor: page.next_cursor };
    taken(await api.GET("/v1/transactions", { params: { query: next } }), 200);
    taken(await api.GET("/v1/transactions", { params: { query: { state: "tracking" } } }), 200);
    const between = { settled_after: "2020-01-01T00:00:00Z", settled_before: "2100-01-01T00:00:00Z" };
    taken(await api.GET("/v1/transactions", { params: { query: { ...between, status: "completed" } } }), 200);
    // @ts-expect-error: not a state
    const failed = await api.GET("/v1/transactions", { params: { query: { state: "failed" } } });
    refused(failed, 400, "invalid_request");

    const id = { path: { id: "track-1" } };
    taken(await api.GET("/v1/transactions/{id}", { params: { ...id, query: { wait: "100ms" } } }), 200);
    refused(await api.GET("/v1/transactions/{id}", { params: unknown }), 404, "unknown_transaction");
    refused(await api.GET("/v1/transactions/{id}", { params: { path: { id: "a b" } } }), 400, "invalid_request");
    refused(await api.GET("/v1/transactions/{id}/history", { params: unknown }), 404, "unknown_transaction");
    taken(await api.POST("/v1/transactions/{id}/poll", { params: id }), 202);
    refused(await api.POST("/v1/transactions/{id}/poll", { params: unknown }), 404, "unknown_transaction");
    const hint = { merchant_transaction_id: "track-1", status: "completed", fiat_amount: "49.90" };
    taken(await api.POST("/v1/hints", { body: hint }), 202);
    const stranger = { ...hint, merchant_transaction_id: "never-seen" };
    refused(await api.POST("/v1/hints", { body: stranger }), 404, "unknown_transaction");
    const ended = taken(await api.DELETE("/v1/transactions/{id}", { params: id }), 200);
    if (ended.state !== "untracked") throw new Error(`not untracked: ${ended.state}`);
    refused(await api.DELETE("/v1/transactions/{id}", { params: id }), 409, "already_ended");
    refused(await api.DELETE("/v1/transactions/{id}", { params: unknown }), 404, "unknown_transaction");
    refused(await api.POST("/v1/transactions/{id}/poll", { params: id }), 409, "already_ended");
}

async function callDeliveries() {
    const query = { state: "dead" as const, callback: "gone", merchant_transaction_id: "completed-1", limit: 1 };
    const until = Date.now() + 15_000;
    let dead = taken(await api.GET("/v1/deliveries", { params: { query } }), 200).deliveries[0];
    while (dead === undefined && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        dead = taken(await api.GET("/v1/deliveries", { params: { query } }), 200).deliveries[0];
    }
    if (dead === undefined || dead.last_status !== 410) throw new Error(`not dead: ${JSON.stringify(dead)}`);
    taken(await api.GET("/v1/deliveries", { params: { query: { limit: 1000 } } }), 200);
    refused(await api.GET("/v1/deliveries", { params: { query: { limit: 0 } } }), 400, "invalid_request");
    const all = taken(await api.POST("/v1/deliveries/retry", { body: { state: "dead", callback: "gone" } }), 202);
    if (all.retried < 1) throw new Error("none was dead");
    // @ts-expect-error: only dead ones are retried together
    refused(await api.POST("/v1/deliveries/retry", { body: { state: "pending" } }), 400, "invalid_request");
    taken(await api.POST("/v1/deliveries/{id}/retry", { params: { path: { id: dead.id } } }), 202);
    const none = { path: { id: 999_999_999 } };
    refused(await api.POST("/v1/deliveries/{id}/retry", { params: none }), 404, "unknown_delivery");
}

async function callReplays() {
    const count = await api.POST("/v1/replays", { body: { callback: "nobody", only: "all", dry_run: true } });
    const { events } = taken(count, 200);
    if (events < 1) throw new Error("there is nothing to replay");
    // Nobody answers there: it goes on until it is cancelled.
    const body = { callback: "nobody", only: "all" as const, dry_run: false, after_seq: 0, types: ["transaction.*"] };
    const begun = taken(await api.POST("/v1/replays", { body }), 202);
    if (!("id" in begun)) throw new Error("a replay without an id");
    refused(await api.POST("/v1/replays", { body }), 409, "replay_running");
    refused(await api.POST("/v1/replays", { body: { ...body, callback: "unheard-of" } }), 404, "unknown_callback");
    refused(await api.POST("/v1/replays", { body: { ...body, before_seq: 1 } }), 400, "invalid_request");
    const { replays } = taken(await api.GET("/v1/replays"), 200);
    if (replays[0]?.id !== begun.id) throw new Error("the replay is not listed");
    refused(await api.GET("/v1/replays", { params: nonsense }), 400, "invalid_request");
    const path = { path: { id: begun.id } };
    const cancelled = taken(await api.DELETE("/v1/replays/{id}", { params: path }), 200);
    if (cancelled.state !== "cancelled") throw new Error(`not cancelled: ${cancelled.state}`);
    refused(await api.DELETE("/v1/replays/{id}", { params: path }), 409, "replay_ended");
    const none = { path: { id: 999_999_999 } };
    refused(await api.DELETE("/v1/replays/{id}", { params: none }), 404, "unknown_replay");
}

async function callConsumers() {
    const name = { path: { name: "books" } };
    const nobody = { path: { name: "nobody" } };
    taken(await api.PUT("/v1/consumers/{name}", { params: name, body: { seq: 0 } }), 201);
    taken(await api.PUT("/v1/consumers/{name}", { params: name }), 200);
    taken(await api.PUT("/v1/consumers/{name}", { params: name, body: { seq: 0 } }), 200);
    const beyond = { params: name, body: { seq: 1_000_000 } };
    refused(await api.PUT("/v1/consumers/{name}", beyond), 400, "invalid_request");
    taken(await api.POST("/v1/consumers/{name}/ack", { params: name, body: { seq: 1 } }), 200);
    refused(await api.POST("/v1/consumers/{name}/ack", beyond), 400, "invalid_request");
    refused(await api.POST("/v1/consumers/{name}/ack", { params: nobody, body: { seq: 1 } }), 404, "unknown_consumer");
    const { consumers } = taken(await api.GET("/v1/consumers"), 200);
    if (consumers[0]?.name !== "books") throw new Error("the consumer is not there");
    const status = taken(await api.GET("/v1/status"), 200);
    if (status.consumers[0]?.seq !== 1) throw new Error("the status does not have the consumer");
    taken(await api.DELETE("/v1/consumers/{name}", { params: name }), 200);
    refused(await api.DELETE("/v1/consumers/{name}", { params: nobody }), 404, "unknown_consumer");
    refused(await api.GET("/v1/consumers", { params: nonsense }), 400, "invalid_request");
}

async function callCallbacks() {
    const test = (name: string) => api.POST("/v1/callbacks/{name}/test", { params: { path: { name } } });
    taken(await test("backend"), 200);
    const unreached = taken(await test("nobody"), 200);
    if (unreached.status !== null || unreached.error === undefined) {
        throw new Error(`nobody answered? ${JSON.stringify(unreached)}`);
    }
    refused(await test("unheard-of"), 404, "unknown_callback");
}

async function callControls() {
    const pause = (name: string) => api.POST("/v1/callbacks/{name}/pause", { params: { path: { name } } });
    const resume = (name: string) => api.POST("/v1/callbacks/{name}/resume", { params: { path: { name } } });
    const flush = (name: string) => api.POST("/v1/callbacks/{name}/flush", { params: { path: { name } } });
    const firstDead = async () => {
        const query = { state: "dead" as const, callback: "gone", limit: 1 };
        return taken(await api.GET("/v1/deliveries", { params: { query } }), 200).deliveries[0];
    };
    const until = Date.now() + 15_000;
    let dead = await firstDead();
    while (dead === undefined && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        dead = await firstDead();
    }
    if (dead === undefined) throw new Error("none is dead");
    const one = { params: { path: { id: dead.id } } };
    const paused = taken(await pause("gone"), 200);
    if (paused.state !== "paused" || paused.paused_since === null) throw new Error(JSON.stringify(paused));
    refused(await flush("gone"), 409, "callback_paused");
    refused(await api.POST("/v1/deliveries/{id}/retry", one), 409, "callback_paused");
    const all = { state: "dead" as const, callback: "gone" };
    refused(await api.POST("/v1/deliveries/retry", { body: all }), 409, "callback_paused");
    const note = "told by phone";
    const dismissed = taken(await api.POST("/v1/deliveries/{id}/dismiss", { ...one, body: { note } }), 200);
    if (dismissed.state !== "dismissed" || dismissed.note !== note) throw new Error(JSON.stringify(dismissed));
    refused(await api.POST("/v1/deliveries/{id}/dismiss", one), 409, "not_dead");
    const none = { params: { path: { id: 999_999_999 } } };
    refused(await api.POST("/v1/deliveries/{id}/dismiss", none), 404, "unknown_delivery");
    const { deliveries } = taken(await api.GET("/v1/deliveries", { params: { query: { state: "dismissed" } } }), 200);
    if (deliveries[0]?.note !== note) throw new Error("the dismissed one is not listed");
    taken(await api.POST("/v1/deliveries/dismiss", { body: { ...all, note } }), 200);
    // @ts-expect-error: only dead ones are dismissed together
    refused(await api.POST("/v1/deliveries/dismiss", { body: { state: "pending" } }), 400, "invalid_request");
    const resumed = taken(await resume("gone"), 200);
    if (resumed.paused_since !== null) throw new Error(JSON.stringify(resumed));
    taken(await flush("gone"), 202);
    for (const act of [pause, resume, flush]) refused(await act("unheard-of"), 404, "unknown_callback");
}

async function callDaemon() {
    const health = taken(await api.GET("/healthz"), 200);
    if (!health.ok) throw new Error("not well");
    taken(await api.GET("/readyz"), 200);
    taken(await api.GET("/metrics", { parseAs: "text" }), 200);
    const backup = await api.GET("/v1/backup", { parseAs: "text" });
    if (process.env["PROOFTRACK_STORE"] === "postgresql") {
        refused(backup, 400, "invalid_request");
    } else if (!String(taken(backup, 200)).startsWith("SQLite format 3")) {
        throw new Error("not a database");
    }
    taken(await api.PUT("/v1/log-level", { body: { level: "debug" } }), 200);
    // @ts-expect-error: not a level
    refused(await api.PUT("/v1/log-level", { body: { level: "loud" } }), 400, "invalid_request");
    const held = taken(await api.PUT("/v1/maintenance", { body: { on: true, note: "Proof moves" } }), 200);
    if (!held.on || held.note !== "Proof moves") throw new Error(`not held: ${JSON.stringify(held)}`);
    if (!taken(await api.GET("/v1/status"), 200).maintenance?.on) throw new Error("the status does not show it");
    taken(await api.PUT("/v1/maintenance", { body: { on: false } }), 200);
    // @ts-expect-error: not a boolean
    refused(await api.PUT("/v1/maintenance", { body: { on: "yes" } }), 400, "invalid_request");
    const document = taken(await api.GET("/v1/openapi.json"), 200);
    if (document["openapi"] !== "3.1.0") throw new Error("not the document");
    refused(await api.GET("/healthz", { params: nonsense }), 400, "invalid_request");
    refused(await api.GET("/readyz", { params: nonsense }), 400, "invalid_request");
    refused(await api.GET("/metrics", { params: nonsense }), 400, "invalid_request");
    refused(await api.GET("/v1/backup", { params: nonsense }), 400, "invalid_request");
    refused(await api.GET("/v1/status", { params: nonsense }), 400, "invalid_request");
    refused(await api.GET("/v1/openapi.json", { params: nonsense }), 400, "invalid_request");
}

await sandbox.noFaults();
const lives = await statesOf(api, sandbox);
await callTracking();
await callImport();
await callTransactions();
await callChanges(api);
await callSessions(api, sandbox);
await endOf(api, lives);
const events = await callEvents(api);
await callConsumers();
await callDeliveries();
await callReplays();
await callCallbacks();
await callControls();
await callExports(api);
await callReconcile(api);
await callDaemon();
await sandbox.close();
await close();
writeFileSync(recordPath, JSON.stringify({ exchanges, events, webhooks: [] }));
