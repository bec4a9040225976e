import { useEffect, useMemo, useState } from "react";
import { explain } from "../../api/errors";
import { cluster } from "../../api/transport";
import type { GetRingResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { type Arc, arcsOf } from "../../lib/ring";

export interface RingState {
  ring: GetRingResponse | undefined;
  arcs: readonly Arc[];
  trouble: string;
}

/** The ring, read again at each epoch. */
export function useRing(epoch: bigint): RingState {
  const [ring, setRing] = useState<GetRingResponse>();
  const [trouble, setTrouble] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: another epoch may have another ring
  useEffect(() => {
    const stop = new AbortController();
    cluster
      .getRing({}, { signal: stop.signal })
      .then((found) => {
        setRing(found);
        setTrouble("");
      })
      .catch((error: unknown) => stop.signal.aborted || setTrouble(explain(error)));
    return () => stop.abort();
  }, [epoch]);
  const arcs = useMemo(() => (ring ? arcsOf(ring) : []), [ring]);
  return { ring, arcs, trouble };
}
