// Holds what went over the wire against the document: check.js DOCUMENT RECORDED
// Prints one line for each thing that is not as described, and exits 1 if there is any. Objects count as closed unless
// the document says additionalProperties: true, so that a member that it does not describe is found too.

import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { Exchange, Message } from "./client.js";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Node = { [name: string]: Json };
interface Recorded {
    exchanges: Exchange[];
    events: Json[];
    webhooks: { headers: Record<string, string>; body: string }[];
}

const [documentPath = "", recordedPath = ""] = process.argv.slice(2);
// Each schema gets an address of its own, so that any part of the document can be compiled alone.
const text = readFileSync(documentPath, "utf8").replaceAll(/"#\/components\/schemas\/(\w+)"/g, '"schema:$1"');
const document = close(JSON.parse(text)) as Node;
const recorded = JSON.parse(readFileSync(recordedPath, "utf8")) as Recorded;

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTypes: false });
addFormats.default(ajv);

const faults: string[] = [];
const node = (value: Json | undefined) => (value ?? {}) as Node;
const schemas = node(node(document["components"])["schemas"]);
for (const [name, schema] of Object.entries(schemas)) ajv.addSchema(schema as object, `schema:${name}`);

function close(value: Json): Json {
    if (Array.isArray(value)) return value.map(close);
    if (value === null || typeof value !== "object") return value;
    const made: Node = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, close(each)]));
    const isObject = made["type"] === "object" && made["properties"] !== undefined;
    return isObject && made["additionalProperties"] === undefined ? { ...made, additionalProperties: false } : made;
}

function resolve(value: Json | undefined): Node {
    const reference = node(value)["$ref"];
    if (typeof reference !== "string") return node(value);
    if (reference.startsWith("schema:")) return resolve(schemas[reference.slice("schema:".length)]);
    const steps = reference.slice("#/".length).split("/");
    return resolve(steps.reduce<Json>((at, step) => node(at)[step] ?? {}, document));
}

function mustFit(where: string, schema: Json | undefined, value: unknown) {
    if (schema === undefined) return void faults.push(`${where}: no schema`);
    const fits = ajv.compile(schema as object);
    if (fits(value)) return;
    const shown = JSON.stringify(value).slice(0, 300);
    for (const error of fits.errors ?? []) {
        faults.push(`${where}: ${error.instancePath} ${error.message} ${JSON.stringify(error.params)} in ${shown}`);
    }
}

/** `content` as in a request body or a response. */
function checkMessage(where: string, content: Json | undefined, message: Message) {
    const bare = (type: string) => type.split(";")[0]?.trim() ?? "";
    const described = Object.entries(node(content)).find(([type]) => bare(type) === bare(message.type));
    if (!described) return void faults.push(`${where}: ${message.type || "no content type"} is not described`);
    const isJson = /^application\/(.+\+)?json$/.test(bare(message.type));
    const schema = node(described[1])["schema"];
    if (bare(message.type) === "application/x-ndjson" && resolve(schema)["type"] !== "string") {
        const lines = message.body.split("\n").filter((line) => line !== "");
        for (const line of lines) mustFit(where, schema, JSON.parse(line));
        return;
    }
    mustFit(where, schema, isJson ? JSON.parse(message.body) : message.body);
}

function checkHeader(where: string, schema: Json | undefined, value: string) {
    const type = resolve(schema)["type"];
    mustFit(where, schema, type === "integer" ? Number(value) : value);
}

function checkExchange(exchange: Exchange) {
    const where = `${exchange.method} ${exchange.path} ${exchange.status}`;
    const operation = node(node(node(document["paths"])[exchange.path])[exchange.method]);
    const answers = node(operation["responses"]);
    const described = answers[String(exchange.status)] ?? answers["default"];
    if (described === undefined) return void faults.push(`${where}: this status is not described`);
    const answer = resolve(described);
    checkMessage(where, answer["content"], exchange.got);
    for (const [name, header] of Object.entries(node(answer["headers"]))) {
        const value = exchange.headers[name.toLowerCase()];
        if (value !== undefined) checkHeader(`${where} ${name}`, resolve(header)["schema"], value);
    }
    if (exchange.status < 300 && exchange.sent.body !== "") {
        checkMessage(`${where}, request`, node(operation["requestBody"])["content"], exchange.sent);
    }
}

function checkWebhook(webhook: Recorded["webhooks"][number]) {
    const event = JSON.parse(webhook.body) as { type: string };
    const where = `webhook ${event.type}`;
    const described = node(document["webhooks"])[event.type];
    if (described === undefined) return void faults.push(`${where} is not described`);
    const operation = node(node(described)["post"]);
    checkMessage(where, node(operation["requestBody"])["content"], {
        type: webhook.headers["content-type"] ?? "",
        body: webhook.body,
    });
    for (const each of operation["parameters"] as Json[]) {
        const parameter = resolve(each);
        const value = webhook.headers[parameter["name"] as string];
        if (value === undefined) {
            if (parameter["required"] === true) faults.push(`${where}: ${String(parameter["name"])} is missing`);
        } else checkHeader(`${where} ${String(parameter["name"])}`, parameter["schema"], value);
    }
}

/** Each operation has been called with success and with a refusal, each webhook has come. */
function checkCoverage() {
    const seen = new Set(recorded.exchanges.map(({ method, path, status }) => `${method} ${path} ${status < 300}`));
    for (const [path, methods] of Object.entries(node(document["paths"]))) {
        for (const method of Object.keys(node(methods))) {
            if (!seen.has(`${method} ${path} true`)) faults.push(`${method} ${path}: never called with success`);
            if (!seen.has(`${method} ${path} false`)) faults.push(`${method} ${path}: never refused`);
        }
    }
    const came = new Set(recorded.webhooks.map(({ body }) => (JSON.parse(body) as { type: string }).type));
    for (const type of Object.keys(node(document["webhooks"]))) {
        if (!came.has(type)) faults.push(`webhook ${type}: never came`);
    }
}

recorded.exchanges.forEach(checkExchange);
recorded.webhooks.forEach(checkWebhook);
recorded.events.forEach((event) => mustFit("event", { $ref: "schema:event" }, event));
checkCoverage();
if (faults.length > 0) console.log([...new Set(faults)].join("\n"));
process.exitCode = faults.length > 0 ? 1 : 0;
