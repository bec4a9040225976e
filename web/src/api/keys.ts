import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LocateKeyResponse } from "../gen/limedbpb/v1/cluster_pb";
import type { ScanEntry, SetRequestSchema } from "../gen/limedbpb/v1/kv_pb";
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

export interface Found {
  content: Content;
  nodeUrl: string;
}

/** A page of keys, in order. after: where the next one begins; undefined at the end. */
export interface KeyPage {
  entries: ScanEntry[];
  after: string | undefined;
}

/** The value of a key; undefined: it has none. */
export async function readKey(key: string, level: Level, node = ""): Promise<Found | undefined> {
  try {
    const { content, nodeUrl } = await kv.get({ key, consistency: LEVELS[level] }, at(node));
    return { content: content.case === "blob" ? content.value : (content.value ?? ""), nodeUrl };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Store a value. ttlMs: 0: forever. */
export async function writeKey(
  key: string,
  content: Content,
  options: { ttlMs?: number; level?: Level; node?: string } = {},
): Promise<Receipt | undefined> {
  const { ttlMs = 0, level = "default", node = "" } = options;
  const request: MessageInitShape<typeof SetRequestSchema> = {
    key,
    ttlMs: BigInt(ttlMs),
    consistency: LEVELS[level],
    content:
      typeof content === "string" ? { case: "value", value: content } : { case: "blob", value: content },
  };
  return (await kv.set(request, at(node))).receipt;
}

/** Delete a key; return how many values it had, and the receipt. */
export async function deleteKey(key: string, level: Level = "default", node = "") {
  return await kv.delete({ key, consistency: LEVELS[level] }, at(node));
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
export async function locateKey(key: string): Promise<LocateKeyResponse> {
  return await cluster.locateKey({ key });
}
