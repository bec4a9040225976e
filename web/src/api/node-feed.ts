import type { GetHealthResponse, GetStateResponse } from "../gen/limedbpb/v1/cluster_pb";
import type { FeedState } from "./cluster-feed";
import { Following } from "./following";
import { at, cluster } from "./transport";

/** The time between two questions, in ms. */
const PAUSE = 2000;
/** In ms: after so long a silence a node counts as lost. */
const LEAST_PATIENCE = 6000;

/** One node's reports on itself and on the others. */
export interface NodeReport {
  state: GetStateResponse;
  health: GetHealthResponse;
}

/** heardAt: when the report came, in ms since 1970. */
export interface NodeFeedNow {
  state: FeedState;
  trouble: string;
  report: NodeReport | undefined;
  heardAt: number;
}

/** One node's view, asked for again and again, as long as somebody subscribes: a browser has one stream of the
 * cluster, and that comes from any node. */
export class NodeFeed extends Following<NodeReport> {
  private current: NodeFeedNow = { state: "connecting", trouble: "", report: undefined, heardAt: 0 };

  constructor(private readonly nodeUrl: string) {
    super(LEAST_PATIENCE);
  }

  readonly get = (): NodeFeedNow => this.current;

  protected async *open(signal: AbortSignal): AsyncGenerator<NodeReport> {
    while (true) {
      const options = at(this.nodeUrl, { signal });
      const [state, health] = await Promise.all([
        cluster.getState({}, options),
        cluster.getHealth({}, options),
      ]);
      yield { state, health };
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      signal.throwIfAborted();
    }
  }

  protected take(report: NodeReport): void {
    this.publish({ state: "live", trouble: "", report, heardAt: Date.now() });
  }

  protected lose(trouble: string): void {
    this.publish({ ...this.current, state: "lost", trouble });
  }

  private publish(now: NodeFeedNow): void {
    this.current = now;
    this.changed();
  }
}
