// Steers the stand-in Proof.

import { readFileSync } from "node:fs";
import { Agent, request } from "undici";

export class Sandbox {
    private readonly base: string;
    private readonly token: string;
    private readonly dispatcher: Agent;

    /** `folder`: the sandbox's --dir. */
    constructor(folder: string) {
        const read = (name: string) => readFileSync(`${folder}/${name}`, "utf8").trim();
        this.base = read("base_url");
        this.token = read("client_token");
        this.dispatcher = new Agent({ connect: { ca: read("ca.pem") } });
    }

    async set(id: string, change: { status: string } | { script: { after: string; status: string }[] }) {
        await this.control("PUT", `transactions/${id}`, change);
    }

    /** Strikes the next request under `path`, or as many as `count` says. */
    async fault(path: string, fault: { kind: string; [member: string]: unknown }) {
        await this.control("PUT", "faults", { count: 1, path, ...fault });
    }

    async noFaults() {
        await this.control("DELETE", "faults");
    }

    async close() {
        await this.dispatcher.close();
    }

    private async control(method: "PUT" | "DELETE", target: string, body?: unknown) {
        const reply = await request(`${this.base}/sandbox/${target}`, {
            method,
            dispatcher: this.dispatcher,
            headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
            body: body === undefined ? null : JSON.stringify(body),
        });
        const text = await reply.body.text();
        if (reply.statusCode !== 200) throw new Error(`the sandbox refused ${method} ${target}: ${text}`);
    }
}
