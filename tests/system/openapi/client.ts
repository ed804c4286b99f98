// The client that openapi-typescript's types make of the document: openapi-fetch over the daemon's Unix socket.
// Every exchange is kept as it went over the wire; check.ts holds them against the document.

import createClient, { type Middleware } from "openapi-fetch";
import { Agent, fetch as fetchOf, Request as RequestOf } from "undici";
import type { components, paths } from "./api.js";

export type Event = components["schemas"]["event"];
export type EventPage = components["schemas"]["event_page"];

export interface Message {
    type: string; // its Content-Type, "" without one
    body: string;
}
export interface Exchange {
    method: string;
    path: string; // the template, as the document has it
    status: number;
    headers: Record<string, string>;
    sent: Message;
    got: Message;
}

export function makeClient(socketPath: string, exchanges: Exchange[]) {
    const dispatcher = new Agent({ connect: { socketPath } });
    const sent = new Map<string, Message>();
    const recorder: Middleware = {
        async onRequest({ id, request }) {
            sent.set(id, { type: request.headers.get("content-type") ?? "", body: await request.clone().text() });
        },
        async onResponse({ id, request, response, schemaPath }) {
            const type = response.headers.get("content-type") ?? "";
            // A stream has no end to wait for: who reads it keeps what came.
            const body = type.startsWith("text/event-stream") ? "" : await response.clone().text();
            exchanges.push({
                method: request.method.toLowerCase(),
                path: schemaPath,
                status: response.status,
                headers: Object.fromEntries(response.headers.entries()),
                sent: sent.get(id) ?? { type: "", body: "" },
                got: { type, body },
            });
        },
    };
    // undici's own classes look like the global ones, but are not the same types.
    const client = createClient<paths>({
        baseUrl: "http://localhost",
        Request: RequestOf as unknown as typeof globalThis.Request,
        fetch: (request) =>
            fetchOf(request as unknown as RequestOf, { dispatcher }) as unknown as Promise<globalThis.Response>,
    });
    client.use(recorder);
    return { client, close: () => dispatcher.close() };
}

export type Client = ReturnType<typeof makeClient>["client"];

interface Answer<Data, Failure> {
    data?: Data;
    error?: Failure;
    response: globalThis.Response;
}

function described(answer: Answer<unknown, unknown>): string {
    return `${answer.response.status} ${JSON.stringify(answer.data ?? answer.error)?.slice(0, 400)}`;
}

/** The reply's body; fails unless the status is this one. */
export function taken<Data>(answer: Answer<Data, unknown>, status: number): NonNullable<Data> {
    if (answer.response.status !== status) throw new Error(`wanted ${status}, got ${described(answer)}`);
    return answer.data as NonNullable<Data>;
}

/** A page of the log: the same call can also be answered by a stream. */
export function pageOf(answer: Answer<EventPage | string, unknown>): EventPage {
    const page = taken(answer, 200);
    if (typeof page === "string") throw new Error("a stream in place of a page");
    return page;
}

/** The problem; fails unless status and code are these. The code is one that the document gives this operation. */
export function refused<Failure>(
    answer: Answer<unknown, Failure>,
    status: number,
    code: Failure extends { code: infer Code } ? Code : never,
): Failure {
    const problem = answer.error as Failure & { code?: unknown };
    if (answer.response.status !== status || problem?.code !== code) {
        throw new Error(`wanted ${status} ${String(code)}, got ${described(answer)}`);
    }
    return problem;
}
