import { useEffect, useMemo, useRef, useState } from "react";
import { explain } from "../../api/errors";
import { locateKey } from "../../api/keys";
import type { LocateKeyResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { type Arc, degreesOf, firstOf } from "../../lib/ring";
import type { Placed } from "./ring-circle";

/** A key to place on the ring, and its owners' answers. */
export function usePlacing(arcs: readonly Arc[]) {
  const [located, setLocated] = useState<LocateKeyResponse>();
  const [trouble, setTrouble] = useState("");
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const place = async (key: string) => {
    stop.current?.abort();
    const control = new AbortController();
    stop.current = control;
    try {
      setLocated(await locateKey(key, control.signal));
      setTrouble("");
    } catch (error) {
      if (control.signal.aborted) return;
      setLocated(undefined);
      setTrouble(explain(error));
    }
  };
  const placed = useMemo((): Placed | undefined => {
    if (!located) return undefined;
    const degrees = degreesOf(located.token);
    const urls = located.owners.map((owner) => owner.url);
    return { key: located.key, degrees, owners: firstOf(arcs, degrees, urls) };
  }, [located, arcs]);
  return { located, placed, place, trouble };
}
