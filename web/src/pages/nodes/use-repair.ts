import { useEffect, useRef, useState } from "react";
import { explain } from "../../api/errors";
import { repair } from "../../api/operating";
import type { RepairResponse } from "../../gen/limedbpb/v1/admin_pb";

export interface RepairNow {
  isRunning: boolean;
  progress: RepairResponse | undefined;
  trouble: string;
}

/** One repair of a node at a time; leaving the page ends it. */
export function useRepair(url: string) {
  const [now, setNow] = useState<RepairNow>({ isRunning: false, progress: undefined, trouble: "" });
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const start = async () => {
    const control = new AbortController();
    stop.current = control;
    setNow({ isRunning: true, progress: undefined, trouble: "" });
    try {
      for await (const progress of repair(url, control.signal)) setNow((before) => ({ ...before, progress }));
      setNow((before) => ({ ...before, isRunning: false }));
    } catch (error) {
      const trouble = control.signal.aborted ? "cancelled" : explain(error);
      setNow((before) => ({ ...before, isRunning: false, trouble }));
    }
  };
  return { now, start, cancel: () => stop.current?.abort() };
}
