// The event log as pages and as a stream.

import { pageOf, refused, taken, type Client, type Event } from "./client.js";

/** The first `count` events of the stream behind `after`. */
async function readStream(api: Client, after: number, count: number): Promise<Event[]> {
    const stop = new AbortController();
    const answer = await api.GET("/v1/events", {
        params: { query: { after } },
        headers: { Accept: "text/event-stream" },
        parseAs: "stream",
        signal: stop.signal,
    });
    const events: Event[] = [];
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of taken(answer, 200) as unknown as AsyncIterable<Uint8Array>) {
        text += decoder.decode(bytes, { stream: true });
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) if (line.startsWith("data: ")) events.push(JSON.parse(line.slice(6)) as Event);
        if (events.length >= count) break;
    }
    stop.abort();
    return events;
}

export async function callEvents(api: Client): Promise<Event[]> {
    const page = pageOf(await api.GET("/v1/events", { params: { query: { limit: 5 } } }));
    const streamed = await readStream(api, 0, page.events.length);
    if (streamed[0]?.id !== page.events[0]?.id) throw new Error("the stream begins elsewhere");
    const gone = await api.GET("/v1/events", { params: { query: { after: 1_000_000 } } });
    const { oldest_seq, last_seq } = refused(gone, 410, "cursor_gone") as { oldest_seq: number; last_seq: number };
    if (oldest_seq !== 1 || last_seq < page.next_after) throw new Error(`${oldest_seq} to ${last_seq}`);
    refused(await api.GET("/v1/events", { params: { query: { wait: "soon" } } }), 400, "invalid_request");
    return streamed;
}

/** Lists of payments against what was tracked: each line of an answer is one of three kinds. */
export async function callReconcile(api: Client) {
    const list = (text: string, type: string) => ({
        body: text,
        headers: { "Content-Type": type },
        bodySerializer: (body: unknown) => body as string,
        parseAs: "text" as const,
    });
    const lines = ['{"merchant_transaction_id": "never-seen", "credited": true}', "not an object"].join("\n");
    const table = "merchant_transaction_id,status,fiat_amount\nnever-seen,completed,1.00\na b,,\n";
    for (const [text, type] of [[lines, "application/x-ndjson"], [table, "text/csv"]] as const) {
        const answer = String(taken(await api.POST("/v1/reconcile", list(text, type)), 200));
        const found = answer.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
        const kinds = found.map((one) => String(one["class"] ?? (one["error"] === undefined ? "summary" : "error")));
        const [first, last] = [kinds[0], kinds.slice(-2).join(" ")];
        if (first !== "unknown_here" || last !== "error summary") throw new Error(`found ${kinds.join(" ")}`);
    }
    refused(await api.POST("/v1/reconcile", list("order,status\n", "text/csv")), 400, "invalid_request");
    refused(await api.POST("/v1/reconcile", list(table, "text/plain")), 415, "unsupported_media_type");
}

/** What was tracked, recorded and delivered, as files; the client's types say which rows they have. */
export async function callExports(api: Client) {
    for (const path of ["/v1/export/transactions", "/v1/export/events", "/v1/export/deliveries"] as const) {
        const rows = String(taken(await api.GET(path, { parseAs: "text" }), 200)).trimEnd().split("\n");
        const table = taken(await api.GET(path, { params: { query: { format: "csv" } }, parseAs: "text" }), 200);
        const [header = ""] = String(table).split("\r\n");
        for (const member of Object.keys(JSON.parse(rows[0] ?? "{}") as object)) {
            // Of an event, and of Proof's reply, the members stand beside the others.
            if (member === "proof" || member === "data") continue;
            if (!header.split(",").includes(member)) throw new Error(`no ${member} in ${header}`);
        }
        const since = { since: "2100-01-01T00:00:00Z" };
        const none = taken(await api.GET(path, { params: { query: since }, parseAs: "text" }), 200);
        if (String(none) !== "") throw new Error(`rows of a time to come: ${String(none)}`);
        // @ts-expect-error: not a format
        refused(await api.GET(path, { params: { query: { format: "xlsx" } } }), 400, "invalid_request");
    }
}
