import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type WatchClusterResponse, WatchClusterResponseSchema } from "../gen/limedbpb/v1/cluster_pb";
import { isKnown } from "../lib/nodes";
import { Following } from "./following";
import { token } from "./session";
import { type Codec, canShare, shared, sharedName } from "./sharing";
import { cluster, ENDLESS } from "./transport";

/** In ms: a sample comes each second. */
const LEAST_PATIENCE = 3500;
/** The number of samples that are kept: five minutes. */
const KEPT = 300;

export type FeedState = "connecting" | "live" | "lost";

/** One moment of one node: rates a second, latency in ms; null: nobody knows. */
export interface Sample {
  at: number;
  requests: number | null;
  latency: number | null;
}

/** heardAt: when the snapshot came, in ms since 1970. */
export interface Feed {
  state: FeedState;
  trouble: string;
  snapshot: WatchClusterResponse | undefined;
  heardAt: number;
  samples: ReadonlyMap<string, readonly Sample[]>;
}

const codec: Codec<WatchClusterResponse> = {
  encode: (message) => toBinary(WatchClusterResponseSchema, message),
  decode: (bytes) => fromBinary(WatchClusterResponseSchema, bytes),
};

function watch(signal: AbortSignal): AsyncIterable<WatchClusterResponse> {
  return cluster.watchCluster({ intervalMs: 1000 }, { ...ENDLESS, signal });
}

/** The cluster as any node reports it, as long as somebody subscribes: all tabs of a browser share one stream. */
export class ClusterFeed extends Following<WatchClusterResponse> {
  private current: Feed = {
    state: "connecting",
    trouble: "",
    snapshot: undefined,
    heardAt: 0,
    samples: new Map(),
  };

  constructor() {
    super(LEAST_PATIENCE);
  }

  readonly get = (): Feed => this.current;

  protected async *open(signal: AbortSignal): AsyncGenerator<WatchClusterResponse> {
    if (canShare) yield* shared(await sharedName("limedb cluster", token()), watch, codec, signal);
    else yield* watch(signal);
  }

  protected take(snapshot: WatchClusterResponse): void {
    const now = Date.now();
    this.publish({
      state: "live",
      trouble: "",
      snapshot,
      heardAt: now,
      samples: this.sampled(snapshot, now),
    });
  }

  protected lose(trouble: string): void {
    this.publish({ ...this.current, state: "lost", trouble });
  }

  private publish(feed: Feed): void {
    this.current = feed;
    this.changed();
  }

  /** All samples, with those of now; after a time without any, a gap. */
  private sampled(snapshot: WatchClusterResponse, now: number): ReadonlyMap<string, readonly Sample[]> {
    const { heardAt, samples } = this.current;
    const isLate = heardAt > 0 && now - heardAt > LEAST_PATIENCE;
    const gap: Sample[] = isLate ? [{ at: heardAt + 1, requests: null, latency: null }] : [];
    return new Map(
      snapshot.nodes.map((node) => {
        const load = isKnown(node) ? node.load : undefined;
        const sample: Sample = {
          at: now,
          requests: load?.requestsPerSecond ?? null,
          latency: load?.averageLatencyMs ?? null,
        };
        return [node.url, [...(samples.get(node.url) ?? []), ...gap, sample].slice(-KEPT)];
      }),
    );
  }
}
