import { useMemo } from "react";
import type { Sample } from "../../api/cluster-feed";
import { figure, hostOf } from "../../lib/format";
import { colourOf } from "../../lib/nodes";
import type { Line } from "../../ui/chart";
import { ChartPanel } from "./chart-panel";

type Samples = ReadonlyMap<string, readonly Sample[]>;

function linesOf(
  samples: Samples,
  urls: readonly string[],
  value: (sample: Sample) => number | null,
): Line[] {
  return urls.map((url) => ({
    name: hostOf(url),
    colour: colourOf(urls, url),
    points: new Map((samples.get(url) ?? []).map((sample) => [sample.at, value(sample)])),
  }));
}

/** Requests and latency of each node since the page was opened, for five minutes at most, a point a second. */
export function LiveCharts({ samples, urls }: { samples: Samples; urls: readonly string[] }) {
  const key = urls.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same URLs come in a new list each time
  const [requests, latency] = useMemo(
    () => [
      linesOf(samples, urls, (sample) => sample.requests),
      linesOf(samples, urls, (sample) => sample.latency),
    ],
    [samples, key],
  );
  return (
    <>
      <ChartPanel
        title="Requests a second"
        label="Requests a second of each node over time"
        lines={requests}
        show={figure}
      />
      <ChartPanel
        title="Mean latency"
        label="Mean latency of each node over time"
        lines={latency}
        show={(value) => `${figure(value)} ms`}
      />
    </>
  );
}
