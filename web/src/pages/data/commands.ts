import { explain } from "../../api/errors";
import { deleteKey, type Level, readKey, writeKey } from "../../api/keys";
import type { Receipt } from "../../gen/limedbpb/v1/record_pb";
import type { Content } from "../../lib/content";
import { ttlMs } from "./ttl";

export const COMMANDS = ["GET", "SET", "DEL"] as const;

/** A request from the form. ttl: seconds; empty: forever. node: empty: any. */
export interface Command {
  verb: (typeof COMMANDS)[number];
  key: string;
  value: string;
  ttl: string;
  level: Level;
  node: string;
}

/** Its outcome. text: the answer in words; content: the value that was read. */
export interface Outcome {
  id: number;
  command: Command;
  text: string;
  isError: boolean;
  ms: number;
  content?: Content | undefined;
  receipt?: Receipt | undefined;
}

type Answer = Pick<Outcome, "text" | "content" | "receipt">;

let last = 0;

async function ask({ verb, key, value, ttl, level, node }: Command, signal: AbortSignal): Promise<Answer> {
  const where = { node, signal };
  if (verb === "SET")
    return { text: "stored", receipt: await writeKey(key, value, { ttlMs: ttlMs(ttl), level, ...where }) };
  if (verb === "DEL") {
    const { deleted, receipt } = await deleteKey(key, level, where);
    return { text: deleted ? "deleted" : "it had no value", receipt };
  }
  const found = await readKey(key, level, where);
  return found ? { text: `read at ${found.nodeUrl}`, content: found.content } : { text: "key not found" };
}

/** What is known of a command that was cancelled. */
function cancelled({ verb }: Command): string {
  return verb === "GET" ? "cancelled" : "cancelled: a node may have carried it out nevertheless";
}

/** Send a command; an error is an outcome too. signal: cancels it. */
export async function run(command: Command, signal: AbortSignal): Promise<Outcome> {
  const started = performance.now();
  last += 1;
  const id = last;
  try {
    const answer = await ask(command, signal);
    return { id, command, isError: false, ms: performance.now() - started, ...answer };
  } catch (error) {
    const text = signal.aborted ? cancelled(command) : explain(error);
    return { id, command, isError: true, ms: performance.now() - started, text };
  }
}
