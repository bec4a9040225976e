import { type CallOptions, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { AdminService } from "../gen/limedbpb/v1/admin_pb";
import { ClusterService } from "../gen/limedbpb/v1/cluster_pb";
import { KVService } from "../gen/limedbpb/v1/kv_pb";
import { keepReadOnly } from "./keeping";
import { showToken } from "./session";

const baseUrl = window.location.origin;
/** The time that a call may take, in ms, unless it says otherwise: longer than a node takes for any. */
const LIMIT = 30_000;
const transport = createGrpcWebTransport({
  baseUrl,
  interceptors: [keepReadOnly, showToken],
  defaultTimeoutMs: LIMIT,
});

/** Options of a stream that lasts: its reader notices when it falls silent. */
export const ENDLESS: CallOptions = { timeoutMs: 0 };

export const kv = createClient(KVService, transport);
export const admin = createClient(AdminService, transport);
export const cluster = createClient(ClusterService, transport);

/** Options that send a call to one node; an empty URL leaves the choice to Envoy. */
export function at(nodeUrl: string, options: CallOptions = {}): CallOptions {
  return nodeUrl ? { ...options, headers: { "x-limedb-node": nodeUrl } } : options;
}

/** Ask any node whether it knows the holder of a token; an error says why not. */
export async function tryToken(token: string): Promise<void> {
  const plain = createClient(ClusterService, createGrpcWebTransport({ baseUrl, defaultTimeoutMs: LIMIT }));
  await plain.getState({}, { headers: { authorization: `Bearer ${token}` } });
}
