// LimeDB from TypeScript, through Envoy, in a browser and in Node alike: both have fetch.
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ClusterService } from "./gen/limedbpb/v1/cluster_pb.js";
import { KVService } from "./gen/limedbpb/v1/kv_pb.js";

// --8<-- [start:errors]
/** What to act on, such as KEY_NOT_FOUND: docs/errors.md lists them all. */
function reason(error: unknown): string {
  const infos = ConnectError.from(error).findDetails(ErrorInfoSchema);
  return infos.find((info) => info.domain === "limedb")?.reason ?? "none";
}
// --8<-- [end:errors]

export async function run(baseUrl: string, say: (line: string) => void): Promise<void> {
  // --8<-- [start:calls]
  const transport = createConnectTransport({ baseUrl });
  const kv = createClient(KVService, transport);
  const stop = new AbortController();
  const watch = kv.watch({ what: { case: "prefix", value: "ts/" } }, { signal: stop.signal })[Symbol.asyncIterator]();
  await watch.next(); // the first message: from here on no change is missed
  const set = await kv.set({ key: "ts/lime", content: { case: "value", value: "green" } });
  say(`set: acked ${(set.receipt?.acked ?? 0) > 0}`);
  const got = await kv.get({ key: "ts/lime" });
  say(`get: ${got.content.value}`);
  const batch = await kv.batchSet({
    writes: [
      { key: "ts/apple", content: { case: "value", value: "red" } },
      { key: "ts/plum", content: { case: "blob", value: Uint8Array.of(1, 2) } },
    ],
  });
  for (const { error } of batch.results) say(`batch: written ${error === undefined}`); // each has its own outcome
  for await (const page of kv.scan({ prefix: "ts/" })) {
    for (const { key } of page.entries) say(`scan: ${key}`);
  }
  for (let next = await watch.next(); !next.done; next = await watch.next()) {
    const [change] = next.value.events;
    if (change === undefined) continue;
    say(`watch: ${change.key} ${change.content.value}`);
    break;
  }
  stop.abort();
  const { status } = await createClient(ClusterService, transport).getState({});
  say(`health: ${status}`);
  await kv.get({ key: "ts/none" }).catch((error: unknown) => say(`error: ${reason(error)}`));
  // --8<-- [end:calls]
}
