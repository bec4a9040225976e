import { useEffect, useState } from "react";
import { explain } from "../../api/errors";
import { at, cluster } from "../../api/transport";
import type { GetHealthResponse } from "../../gen/limedbpb/v1/cluster_pb";

/** A node's report on its store, read once: the figures that change come with the snapshots. */
export function useHealth(url: string): { health: GetHealthResponse | undefined; trouble: string } {
  const [health, setHealth] = useState<GetHealthResponse>();
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    cluster
      .getHealth({}, at(url, { signal: stop.signal }))
      .then(setHealth)
      .catch((error: unknown) => stop.signal.aborted || setTrouble(explain(error)));
    return () => stop.abort();
  }, [url]);
  return { health, trouble };
}
