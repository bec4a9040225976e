import { type CallOptions, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { ClusterService } from "../gen/limedbpb/v1/cluster_pb";
import { KVService } from "../gen/limedbpb/v1/kv_pb";
import { showToken } from "./session";

const baseUrl = window.location.origin;
const transport = createGrpcWebTransport({ baseUrl, interceptors: [showToken] });

export const kv = createClient(KVService, transport);
export const cluster = createClient(ClusterService, transport);

/** Options that send a call to one node; an empty URL leaves the choice to Envoy. */
export function at(nodeUrl: string, options: CallOptions = {}): CallOptions {
  return nodeUrl ? { ...options, headers: { "x-limedb-node": nodeUrl } } : options;
}

/** Ask any node whether it knows the holder of a token; an error says why not. */
export async function tryToken(token: string): Promise<void> {
  const plain = createClient(ClusterService, createGrpcWebTransport({ baseUrl }));
  await plain.getState({}, { headers: { authorization: `Bearer ${token}` } });
}
