import { useEffect, useState } from "react";
import type { GetHistoryResponse } from "../gen/limedbpb/v1/cluster_pb";
import { explain } from "./errors";
import { cluster } from "./transport";

/** After a change, the nodes take so long to note it, in ms. */
const NOTED = 1500;
/** The least time between two questions, in ms: nodes keep a step each ten seconds. */
const LEAST_PAUSE = 10_000;

export interface HistoryNow {
  history: GetHistoryResponse | undefined;
  /** When it came, in ms since 1970. */
  at: number;
  trouble: string;
}

/** The past of all members, asked for again with each step, while the page is visible. mark: another one asks at
 * once. */
export function useHistory(rangeSeconds: number, mark: string): HistoryNow {
  const [now, setNow] = useState<HistoryNow>({ history: undefined, at: 0, trouble: "" });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another mark means that something has happened
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      let pause = LEAST_PAUSE;
      try {
        const history = await cluster.getHistory({ rangeSeconds }, { signal: stop.signal });
        pause = Math.max(pause, history.stepSeconds * 1000);
        setNow({ history, at: Date.now(), trouble: "" });
      } catch (error) {
        if (!stop.signal.aborted) setNow((before) => ({ ...before, trouble: explain(error) }));
      }
      if (!stop.signal.aborted) timer = setTimeout(attend, pause);
    };
    const attend = () => {
      if (document.hidden) timer = setTimeout(attend, LEAST_PAUSE);
      else void ask();
    };
    timer = setTimeout(attend, mark && now.history?.stepSeconds ? NOTED : 0);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [rangeSeconds, mark]);
  return now;
}
