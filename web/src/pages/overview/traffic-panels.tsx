import { useMemo } from "react";
import type { Sample } from "../../api/cluster-feed";
import { figure, hostOf } from "../../lib/format";
import { colourOf } from "../../lib/nodes";
import { Chart, type Line } from "../../ui/chart";
import { Swatch } from "../../ui/condition";
import { Panel } from "../../ui/panel";

type Samples = ReadonlyMap<string, readonly Sample[]>;

function linesOf(samples: Samples, urls: readonly string[], value: (sample: Sample) => number): Line[] {
  return urls.map((url) => ({
    name: hostOf(url),
    colour: colourOf(urls, url),
    points: new Map((samples.get(url) ?? []).map((sample) => [sample.at, value(sample)])),
  }));
}

/** The lines by name, each with its last value. */
function Legend({ lines }: { lines: readonly Line[] }) {
  return (
    <ul className="mt-2 grid grid-cols-2 gap-x-3 gap-y-1 text-muted text-xs">
      {lines.map((line) => (
        <li key={line.name} className="flex items-center gap-1.5">
          <Swatch colour={line.colour} /> {line.name}
          <span className="font-mono text-ink">{figure([...line.points.values()].at(-1) ?? 0)}</span>
        </li>
      ))}
    </ul>
  );
}

/** Requests and latency of each node over the last five minutes. */
export function TrafficPanels({ samples, urls }: { samples: Samples; urls: readonly string[] }) {
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
      <Panel title="Requests a second">
        <Chart label="Requests a second of each node over time" lines={requests} />
        <Legend lines={requests} />
      </Panel>
      <Panel title="Mean latency" aside="ms">
        <Chart label="Mean latency of each node over time" lines={latency} />
        <Legend lines={latency} />
      </Panel>
    </>
  );
}
