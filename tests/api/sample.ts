// A program that uses the API by the types that are made of its document. test_typescript.py checks it; nothing runs it.
import type { components, operations } from "./taskyard";

type NewTask = components["schemas"]["NewTask"];
type Problem = components["schemas"]["Problem"];
type Submitted = operations["tasks_submit"]["responses"][201]["content"]["application/json"];
type Result = operations["tasks_result"]["responses"][200]["content"]["application/json"];
type Search = NonNullable<operations["tasks_find"]["parameters"]["query"]>;
type Page = operations["tasks_find"]["responses"][200]["content"]["application/json"];
type Refusal = operations["tasks_submit"]["responses"][422]["content"]["application/problem+json"];
type NewWorkflow = components["schemas"]["NewWorkflow"];
type Workflow = operations["workflows_submit"]["responses"][201]["content"]["application/json"];
type Graph = operations["workflows_graph"]["responses"][200]["content"]["application/json"];
type Names = keyof operations;

class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

async function ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await fetch(`http://localhost:8600/api/v1${path}`, {
    method,
    headers: { authorization: "Bearer ty_service_…", "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (!answer.ok) throw new Refused((await answer.json()) as Problem);
  return (await answer.json()) as Answer;
}

export async function echo(value: number): Promise<unknown> {
  const task: NewTask = { type: "diagnostic.echo", input: { value }, priority: "high", requires: ["linux"] };
  const { id } = await ask<Submitted>("POST", "/tasks", task);
  const result = await ask<Result>("GET", `/tasks/${id}/result?wait=30`);
  const state: "completed" | "failed" | "cancelled" | string = result.state;
  return result.is_over && state === "completed" ? result.output : null;
}

export async function failed(): Promise<string[]> {
  const search: Search = { limit: 50, sort: "newest" };
  const page = await ask<Page>("GET", `/tasks?states=failed&limit=${search.limit}`);
  return page.tasks.map((task) => `${task.id} ${task.state}: ${task.error?.["class"] ?? "?"}`);
}

export async function report(): Promise<Record<string, string>> {
  const workflow: NewWorkflow = {
    name: "report",
    tasks: {
      first: { type: "diagnostic.echo", input: { value: 1 } },
      copies: [{ type: "diagnostic.echo", input: { value: { $ref: "first", at: "/value" } } }],
    },
  };
  const { id } = await ask<Workflow>("POST", "/workflows", workflow);
  const graph = await ask<Graph>("GET", `/workflows/${id}/graph`);
  return Object.fromEntries(graph.nodes.map((node) => [node.key ?? node.id, node.state]));
}

export function fields(refusal: Refusal): string[] {
  return refusal.errors.map((one) => `${one.field}: ${one.expected}`);
}

export const NAMES: Names[] = ["tasks_submit", "tasks_submit_many", "queues_find", "agents_drain", "workflows_submit"];

// @ts-expect-error: a task has a type
export const WRONG: NewTask = { input: {} };
// @ts-expect-error: there is no such operation
export const NO_NAME: Names = "tasks_submit_api_v1_tasks_post";
