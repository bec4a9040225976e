import { type CallOptions, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { ClusterService } from "../gen/limedbpb/v1/cluster_pb";
import { KVService } from "../gen/limedbpb/v1/kv_pb";

const transport = createGrpcWebTransport({ baseUrl: window.location.origin });

export const kv = createClient(KVService, transport);
export const cluster = createClient(ClusterService, transport);

/** Options that send a call to one node; an empty URL leaves the choice to Envoy. */
export function at(nodeUrl: string, options: CallOptions = {}): CallOptions {
  return nodeUrl ? { ...options, headers: { "x-limedb-node": nodeUrl } } : options;
}
