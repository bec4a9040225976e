import { useEffect, useRef, useState } from "react";
import { explain } from "../../api/errors";
import { type Order, type Progress, seed } from "./seeding";

export interface SeedState extends Progress {
  order: Order;
  phase: "running" | "done" | "cancelled" | "failed";
}

const START: Progress = { written: 0, failed: 0, trouble: "", seconds: 0 };

/** One run of the generator at a time; leaving the page cancels it. */
export function useSeeding() {
  const [state, setState] = useState<SeedState>();
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const start = async (order: Order) => {
    const control = new AbortController();
    stop.current = control;
    setState({ ...START, order, phase: "running" });
    const report = (part: Partial<SeedState>) => setState((before) => before && { ...before, ...part });
    try {
      await seed(order, report, control.signal);
      report({ phase: control.signal.aborted ? "cancelled" : "done" });
    } catch (error) {
      report({ phase: "failed", trouble: explain(error) });
    }
  };
  return { state, start, isRunning: state?.phase === "running", cancel: () => stop.current?.abort() };
}
