import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import type { LocateKeyResponse } from "../gen/limedbpb/v1/cluster_pb";
import type { ConditionSchema, ScanEntry } from "../gen/limedbpb/v1/kv_pb";
import { Consistency, type Receipt } from "../gen/limedbpb/v1/record_pb";
import type { Content } from "../lib/content";
import { isNotFound } from "./errors";
import { at, cluster, kv } from "./transport";

export const LEVELS = {
  default: Consistency.UNSPECIFIED,
  one: Consistency.ONE,
  quorum: Consistency.QUORUM,
  all: Consistency.ALL,
  linearizable: Consistency.LINEARIZABLE,
} as const;
export type Level = keyof typeof LEVELS;

/** A value. version: 0: it is older than versions. expiresAtMs: 0: never. */
export interface Found {
  content: Content;
  nodeUrl: string;
  version: bigint;
  expiresAtMs: number;
}

/** A page of keys, in order. after: where the next one begins; undefined at the end. */
export interface KeyPage {
  entries: ScanEntry[];
  after: string | undefined;
}

/** The node to ask (any, for an empty URL), and what cancels the call. */
interface Where {
  node?: string;
  signal?: AbortSignal;
}

function toward({ node = "", signal }: Where): CallOptions {
  return at(node, signal ? { signal } : {});
}

/** The value of a key; undefined: it has none. */
export async function readKey(key: string, level: Level, options: Where = {}): Promise<Found | undefined> {
  try {
    const { content, nodeUrl, version, expiresAtMs } = await kv.get(
      { key, consistency: LEVELS[level] },
      toward(options),
    );
    const value = content.case === "blob" ? content.value : (content.value ?? "");
    return { content: value, nodeUrl, version, expiresAtMs: Number(expiresAtMs) };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

type Condition = MessageInitShape<typeof ConditionSchema>;

/** The condition that a key still has what was shown; undefined: no value. */
function still(shown: Found | undefined): Condition {
  if (shown === undefined) return { holds: { case: "exists", value: false } };
  if (shown.version > 0n) return { holds: { case: "version", value: shown.version } };
  return { holds: stored(shown.content) };
}

/** Store a value. ttlMs: 0: forever. */
export async function writeKey(
  key: string,
  content: Content,
  options: { ttlMs?: number; level?: Level } & Where = {},
): Promise<Receipt | undefined> {
  const { ttlMs = 0, level = "default" } = options;
  const request = { key, ttlMs: BigInt(ttlMs), consistency: LEVELS[level], content: stored(content) };
  return (await kv.set(request, toward(options))).receipt;
}

/** Replace what was shown; a ConnectError for which `hasChanged` holds: the key has something else by now. ttlMs:
 * 0: forever; undefined: it expires when the value before it would have. */
export async function replaceKey(
  key: string,
  content: Content,
  shown: Found | undefined,
  ttlMs: number | undefined,
): Promise<void> {
  const life = ttlMs === undefined ? { keepTtl: true } : { ttlMs: BigInt(ttlMs) };
  await kv.set({ key, content: stored(content), condition: still(shown), ...life });
}

type Stored = { case: "value"; value: string } | { case: "blob"; value: Uint8Array };

function stored(content: Content): Stored {
  return typeof content === "string" ? { case: "value", value: content } : { case: "blob", value: content };
}

/** Delete a key; return how many values it had, and the receipt. shown: only if it still has this. */
export async function deleteKey(key: string, level: Level = "default", where: Where = {}, shown?: Found) {
  const condition = shown ? { condition: still(shown) } : {};
  return await kv.delete({ key, consistency: LEVELS[level], ...condition }, toward(where));
}

/** A page of the keys with a prefix: of the whole cluster, or of one node's own store. */
export async function scanKeys(
  ask: { prefix: string; after: string | undefined; limit: number; node: string },
  signal: AbortSignal,
): Promise<KeyPage> {
  const { prefix, limit, node, after } = ask;
  const cursor = after === undefined ? {} : { after };
  const request = { prefix, limit, pageSize: limit, local: node !== "", keysOnly: true, ...cursor };
  const page: KeyPage = { entries: [], after: undefined };
  for await (const part of kv.scan(request, at(node, { signal }))) {
    page.entries.push(...part.entries);
    page.after = part.after;
  }
  return page;
}

/** The nodes that hold a key, and what each has. */
export async function locateKey(key: string, signal: AbortSignal): Promise<LocateKeyResponse> {
  return await cluster.locateKey({ key }, { signal });
}
