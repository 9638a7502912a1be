// An agent in TypeScript: it takes tasks over HTTPS, by docs/reference/agent-protocol.md. Node 20, no dependencies.
//
//   TASKYARD_URL=https://taskyard.example.com TASKYARD_AGENT_TOKEN=ty_agent_… node agent.js
//
// Exit codes: 0 drained, 75 it must be replaced, 77 the API does not accept the token.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Pair = [taskId: string, attempt: number];
type Handler = (input: Json, signal: AbortSignal, progress: (fraction: number, text: string) => void) => Promise<Json>;
type Self = { name: string; types: string[]; heartbeat_ttl_seconds: number; output_limit_bytes: number };

interface Run {
  boot: string; // the boot that got the order: reports on the attempt name it
  pair: Pair;
  type: string;
  input: Json;
  timeoutSeconds: number;
  stop: AbortController;
}

// What this agent can do. Replace it by your own types.
const HANDLERS: Record<string, Handler> = {
  "edge.echo": async (input) => input,
  "edge.sleep": async (input, signal, progress) => {
    const { seconds } = input as { seconds: number };
    progress(0.5, "half way");
    await pause(seconds * 1000, undefined, { signal });
    return { slept: seconds };
  },
};
const SLOTS = 3;
const GRACE_SECONDS = 30;
const WAIT_SECONDS = 20;
const REPLACE = 75;
const REFUSED = 77;

const api = `${(process.env["TASKYARD_URL"] ?? "http://localhost:8600").replace(/\/$/, "")}/api/v1/agent`;
const token = process.env["TASKYARD_AGENT_TOKEN"] ?? "";
delete process.env["TASKYARD_AGENT_TOKEN"]; // no process that a handler starts has it

let self: Self;
let boot = randomUUID().slice(0, 12);
let position = "0-0";
let generation = "";
let draining = false;
let heardAt = Date.now(); // when the last answered heartbeat was sent
let beats = 0;
const waiting: Run[] = [];
const running = new Map<string, Run>();
const held = new Map<string, Run>(); // from reading an order until its end has arrived
const seen = new Map<string, number>(); // the newest attempt of each task that was read

const key = ([id, attempt]: Pair): string => `${id}/${attempt}`;
const agentId = (): string => `${self.name}:${boot}`;
const log = (text: string): void => console.error(`${new Date().toISOString()} ${text}`);

function leave(code: number, why: string): never {
  log(why);
  process.exit(code);
}

class Unavailable extends Error {}
class Invalid extends Error {}

/** One request. A token that is not accepted ends the agent: its tasks are given to others when its lease is over. */
async function once<Answer>(method: string, path: string, body?: Json, seconds = 10): Promise<Answer> {
  let answer: Response;
  try {
    answer = await fetch(api + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(seconds * 1000),
      redirect: "error",
    });
    if (answer.ok) return (await answer.json()) as Answer;
  } catch (error) {
    throw new Unavailable(String(error));
  }
  const text = await answer.text().catch(() => "");
  if (answer.status === 401 || answer.status === 403) leave(REFUSED, `the API does not accept the token: ${text}`);
  if (answer.status === 413 || answer.status === 422) throw new Invalid(text);
  throw new Unavailable(`${answer.status} ${text}`);
}

/** The same until it arrives: the pause grows, and is random, so that agents do not come back all at once. */
async function until<Answer>(method: string, path: string, body?: Json): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once<Answer>(method, path, body);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      await pause(Math.random() * Math.min(2000, 100 * 2 ** tries));
    }
  }
}

// Reports go one after the other: what was said first arrives first. A repeated report changes nothing.
let sending: Promise<unknown> = Promise.resolve();
function report(...reports: Json[]): Promise<unknown> {
  sending = sending.then(() => until("POST", "/reports", reports)).catch((error) => log(`a report was refused: ${error}`));
  return sending;
}

function info(): { [name: string]: Json } {
  return {
    id: agentId(), name: self.name, boot_id: boot, kind: "node", host: hostname(), pid: process.pid,
    types: Object.keys(HANDLERS), tags: [], max_concurrency: SLOTS, version: 1,
  };
}

function register(): Promise<unknown> {
  const schema = { type: "object" };
  const known = Object.keys(HANDLERS).map((name) => ({ name, version: "1", requires: [], input_schema: schema }));
  return report(["hello", info(), known]);
}

async function beat(): Promise<void> {
  const ttl = self.heartbeat_ttl_seconds * 1000;
  if (Date.now() - heardAt >= ttl) {
    // This boot may have been given up: nothing that it has not started may start. What runs goes on.
    for (const run of waiting.splice(0)) held.delete(key(run.pair)), seen.delete(run.pair[0]);
    boot = randomUUID().slice(0, 12);
    position = "0-0";
    heardAt = Date.now();
    void register();
  }
  const sentAt = Date.now();
  const answer = await once<{ generation: string; is_fenced: boolean }>("PUT", `/boots/${boot}/heartbeat`, {
    agent: info(), generation, read_position: position, held: [...held.values()].map((run) => run.pair),
    running: running.size, draining, cpu_percent: 0, memory_bytes: process.memoryUsage().rss, number: (beats += 1),
  });
  heardAt = sentAt;
  if (answer.is_fenced) leave(REPLACE, "fenced: its tasks were given to others");
  if (generation && answer.generation !== generation) position = "0-0"; // Redis was wiped
  generation = answer.generation;
}

function accept(run: Run): void {
  if ((seen.get(run.pair[0]) ?? 0) >= run.pair[1]) return; // an order that comes twice is obeyed once
  seen.set(run.pair[0], run.pair[1]);
  held.set(key(run.pair), run);
  waiting.push(run);
}

function cancel(pair: Pair): void {
  const at = waiting.findIndex((run) => key(run.pair) === key(pair));
  if (at >= 0) waiting.splice(at, 1), held.delete(key(pair));
  running.get(key(pair))?.stop.abort(new Error("cancelled"));
}

function handBack(runs: Run[]): void {
  for (const run of runs) held.delete(key(run.pair)), void report(["returned", `${self.name}:${run.boot}`, [run.pair]]);
}

function obey(order: Json[]): void {
  const [kind, id, attempt, type, input, timeoutSeconds] = order;
  if (kind === "run") {
    const pair: Pair = [id as string, attempt as number];
    const run = { boot, pair, type: type as string, input: input as Json, timeoutSeconds: timeoutSeconds as number };
    accept({ ...run, stop: new AbortController() });
  } else if (kind === "cancel") cancel([id as string, attempt as number]);
  else if (kind === "drain") handBack(waiting.splice(0));
  else if (kind === "restart") void drain(REPLACE);
}

async function readOrders(): Promise<never> {
  for (;;) {
    const from = boot;
    try {
      const path = `/boots/${from}/orders`;
      const query = `?after=${position}&wait=${WAIT_SECONDS}`;
      type Entries = { entries: { id: string; orders: Json[][] }[] };
      const { entries } = await once<Entries>("GET", path + query, undefined, WAIT_SECONDS + 10);
      if (from !== boot || entries.length === 0) continue; // the orders were for the boot before
      for (const entry of entries) entry.orders.forEach(obey), (position = entry.id);
      if (draining) handBack(waiting.splice(0));
      fill();
      await once("POST", `${path}/delete`, { entries: entries.map((entry) => entry.id) });
    } catch (error) {
      if (error instanceof Unavailable) await pause(200 + Math.random() * 800);
      else throw error;
    }
  }
}

function fill(): void {
  while (!draining && running.size < SLOTS && waiting.length > 0) {
    const run = waiting.shift() as Run;
    running.set(key(run.pair), run);
    void execute(run).finally(() => (running.delete(key(run.pair)), fill()));
  }
}

async function execute(run: Run): Promise<void> {
  const holder = `${self.name}:${run.boot}`;
  await report(["started", holder, [run.pair], Date.now() / 1000]); // acknowledged before anything runs
  if (run.boot !== boot) return void held.delete(key(run.pair)); // the lease was lost meanwhile
  const startedAt = Date.now();
  const timeout = setTimeout(() => run.stop.abort(new Error("timeout")), run.timeoutSeconds * 1000);
  const progress = (fraction: number, text: string): void => void report(["progress", ...run.pair, fraction, text, holder]);
  let output: Json = null;
  let failure: Json = null;
  try {
    const handler = HANDLERS[run.type];
    if (handler === undefined) throw new Error(`no handler for ${run.type}`);
    output = await handler(run.input, run.stop.signal, progress);
    if (JSON.stringify(output).length > self.output_limit_bytes) throw new Error("the output is too large");
  } catch (error) {
    const why = run.stop.signal.aborted ? (run.stop.signal.reason as Error).message : "";
    failure = [why === "timeout" || why === "cancelled" ? why : "permanent", String(error)];
    output = null;
  } finally {
    clearTimeout(timeout);
  }
  const began = startedAt / 1000;
  await report(["done", ...run.pair, output, failure, began, (Date.now() - startedAt) / 1000, null, null, holder]);
  held.delete(key(run.pair)); // not before its end has arrived
}

async function drain(code: number): Promise<void> {
  if (draining) return;
  draining = true;
  log("draining");
  await beat().catch(() => undefined); // before anything is handed back
  handBack(waiting.splice(0));
  const deadline = Date.now() + GRACE_SECONDS * 1000;
  while (running.size > 0 && Date.now() < deadline) await pause(50);
  handBack([...running.values()]);
  await report(["gone", agentId(), "left"]);
  leave(code, "drained");
}

async function main(): Promise<void> {
  self = await until<Self>("GET", "/self");
  await beat();
  await register();
  log(`agent ${agentId()} takes ${Object.keys(HANDLERS).join(", ")}`);
  process.on("SIGTERM", () => void drain(0));
  process.on("SIGINT", () => void drain(0));
  setInterval(() => void beat().catch((error) => log(`no heartbeat: ${error}`)), 1000);
  await readOrders();
}

await main();
