import type { Sample } from "../../api/cluster-feed";
import type { WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, count, figure, hostOf, percent, seconds } from "../../lib/format";
import { colourOf } from "../../lib/nodes";
import { Chart } from "../../ui/chart";
import { type Fact, Facts } from "../../ui/facts";
import { Trouble } from "../../ui/panel";
import { useHealth } from "./use-health";

interface Props {
  url: string;
  snapshot: WatchClusterResponse;
  urls: readonly string[];
  samples: readonly Sample[];
}

/** The node's report on itself: its store, its process, its requests. */
export function NodeFigures({ url, snapshot, urls, samples }: Props) {
  const { health } = useHealth(url);
  const own = snapshot.nodes.find((node) => node.url === url);
  const { rates } = snapshot;
  const started = Number(own?.generation ?? 0n);
  const storage: Fact[] = [
    ["store", health?.storage?.type ?? "…"],
    ["durability", health?.storage?.durability || "–"],
    ["keys", count(own?.keys ?? 0)],
    ["size", bytes(own?.load?.diskBytes ?? 0n)],
    ["path", health?.storage?.path || "in memory"],
  ];
  const process: Fact[] = [
    ["status", snapshot.problem || snapshot.status],
    ["version", own?.version ?? "–"],
    ["zone", own?.zone || "none"],
    ["up for", started ? seconds((Date.now() - started) / 1000) : "–"],
    ["memory", bytes(own?.load?.memoryBytes ?? 0n)],
    ["cpu", `${figure(own?.load?.cpuPercent ?? 0)}%`],
    ["virtual nodes", count(own?.virtualNodes ?? 0)],
    ["epoch", snapshot.epoch.toString()],
  ];
  const requests: Fact[] = [
    ["answered", count(rates?.totalRequests ?? 0n)],
    ["requests/s", figure(rates?.requestsPerSecond ?? 0)],
    [
      "gets · sets · deletes /s",
      [rates?.getsPerSecond, rates?.setsPerSecond, rates?.delsPerSecond]
        .map((rate) => figure(rate ?? 0))
        .join(" · "),
    ],
    ["mean latency", `${figure(rates?.averageLatencyMs ?? 0)} ms`],
    ["errors", percent(rates?.errorRate ?? 0)],
  ];
  const line = {
    name: hostOf(url),
    colour: colourOf(urls, url),
    points: new Map(samples.map((sample) => [sample.at, sample.requests])),
  };
  return (
    <div className="grid gap-x-8 gap-y-5 sm:grid-cols-2">
      {snapshot.warnings.map((text) => (
        <div key={text} className="sm:col-span-2">
          <Trouble>{text}</Trouble>
        </div>
      ))}
      {[["Storage", storage] as const, ["Requests", requests] as const, ["Process", process] as const].map(
        ([name, facts]) => (
          <section key={name} aria-label={name}>
            <h3 className="mb-2 font-medium text-muted text-xs">{name}</h3>
            <Facts facts={facts} />
          </section>
        ),
      )}
      <section aria-label="Requests a second">
        <h3 className="mb-2 font-medium text-muted text-xs">Requests a second</h3>
        <Chart label={`Requests a second of ${hostOf(url)} over time`} lines={[line]} />
      </section>
    </div>
  );
}
