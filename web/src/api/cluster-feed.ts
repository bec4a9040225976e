import type { WatchClusterResponse } from "../gen/limedbpb/v1/cluster_pb";
import { Following } from "./following";
import { at, cluster } from "./transport";

/** In ms: a sample comes each second. */
const LEAST_PATIENCE = 3500;
/** The number of samples that are kept: five minutes. */
const KEPT = 300;

export type FeedState = "connecting" | "live" | "lost";

/** One moment of one node: rates a second, latency in ms. */
export interface Sample {
  at: number;
  requests: number;
  latency: number;
}

export interface Feed {
  state: FeedState;
  trouble: string;
  snapshot: WatchClusterResponse | undefined;
  samples: ReadonlyMap<string, readonly Sample[]>;
}

/** The cluster as one node reports it (any node, for an empty URL), as long as somebody subscribes. */
export class ClusterFeed extends Following<WatchClusterResponse> {
  private current: Feed = { state: "connecting", trouble: "", snapshot: undefined, samples: new Map() };

  constructor(private readonly nodeUrl: string) {
    super(LEAST_PATIENCE);
  }

  readonly get = (): Feed => this.current;

  protected open(signal: AbortSignal): AsyncIterable<WatchClusterResponse> {
    return cluster.watchCluster({ intervalMs: 1000 }, at(this.nodeUrl, { signal }));
  }

  protected take(snapshot: WatchClusterResponse): void {
    this.publish({ state: "live", trouble: "", snapshot, samples: this.sampled(snapshot) });
  }

  protected lose(trouble: string): void {
    this.publish({ ...this.current, state: "lost", trouble });
  }

  private publish(feed: Feed): void {
    this.current = feed;
    this.changed();
  }

  private sampled(snapshot: WatchClusterResponse): ReadonlyMap<string, readonly Sample[]> {
    const now = Date.now();
    return new Map(
      snapshot.nodes.map((node) => {
        const isHeard = node.reachable && node.load;
        const sample = {
          at: now,
          requests: isHeard ? (node.load?.requestsPerSecond ?? 0) : 0,
          latency: isHeard ? (node.load?.averageLatencyMs ?? 0) : 0,
        };
        return [node.url, [...(this.current.samples.get(node.url) ?? []), sample].slice(-KEPT)];
      }),
    );
  }
}
