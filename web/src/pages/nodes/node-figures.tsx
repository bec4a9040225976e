import type { Sample } from "../../api/cluster-feed";
import type { NodeReport } from "../../api/node-feed";
import { bytes, count, figure, hostOf, percent, seconds } from "../../lib/format";
import { colourOf } from "../../lib/nodes";
import { Chart } from "../../ui/chart";
import { type Fact, Facts } from "../../ui/facts";
import { Trouble } from "../../ui/panel";

/** Bytes of a MiB. */
const MIB = 1 << 20;

interface Props {
  url: string;
  report: NodeReport;
  urls: readonly string[];
  samples: readonly Sample[];
}

/** The node's report on itself: its store, its process, its requests. */
export function NodeFigures({ url, report, urls, samples }: Props) {
  const { state, health } = report;
  const own = state.members.find((node) => node.url === url);
  const { storage: store } = health;
  const storage: Fact[] = [
    ["store", store?.type ?? "–"],
    ["durability", store?.durability || "–"],
    ["keys", store ? count(store.keys) : "–"],
    ["size", store ? bytes(store.bytes) : "–"],
    ["path", store?.path || "in memory"],
  ];
  const process: Fact[] = [
    ["status", state.problem || state.status],
    ["version", state.version],
    ["zone", state.zone || "none"],
    ["up for", seconds(health.uptimeSeconds)],
    ["memory", bytes(health.memoryAllocatedMb * MIB)],
    ["cpu", `${figure(health.cpuPercent)}%`],
    ["member", own ? own.standing : "not a member"],
    ["owns", own ? percent(own.share) : "–"],
    ["virtual nodes", own ? count(own.virtualNodes) : "–"],
    ["epoch", state.epoch.toString()],
  ];
  const requests: Fact[] = [
    ["answered", count(health.totalRequests)],
    ["requests/s", figure(health.requestsPerSecond)],
    [
      "gets · sets · deletes /s",
      [health.getsPerSecond, health.setsPerSecond, health.delsPerSecond].map(figure).join(" · "),
    ],
    ["mean latency", `${figure(health.averageLatencyMs)} ms`],
    ["errors", percent(health.errorRate)],
  ];
  const line = {
    name: hostOf(url),
    colour: colourOf(urls, url),
    points: new Map(samples.map((sample) => [sample.at, sample.requests])),
  };
  return (
    <div className="grid gap-x-8 gap-y-5 sm:grid-cols-2">
      {state.warnings.map((text) => (
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
