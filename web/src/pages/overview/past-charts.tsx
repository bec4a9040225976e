import { useMemo } from "react";
import type { HistoryNow } from "../../api/use-history";
import type { HistoryPoint } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, figure, hostOf, percent } from "../../lib/format";
import { latencyOf, linesOf, OPERATIONS, SHARES } from "../../lib/history";
import { useWord } from "../../lib/router";
import { Choice } from "../../ui/field";
import { Quiet, Trouble } from "../../ui/panel";
import { Segments } from "../../ui/segments";
import { ChartPanel } from "./chart-panel";

interface Kind {
  title: string;
  label: string;
  value: (point: HistoryPoint) => number | null;
  show: (value: number) => string;
}

const KINDS: readonly Kind[] = [
  {
    title: "Requests a second",
    label: "Requests a second of each node over time",
    value: (point) => point.requestsPerSecond,
    show: figure,
  },
  {
    title: "CPU",
    label: "CPU of each node over time",
    value: (point) => point.cpuPercent,
    show: (value) => `${figure(value)}%`,
  },
  {
    title: "Memory",
    label: "Memory of each node over time",
    value: (point) => Number(point.memoryBytes),
    show: bytes,
  },
  {
    title: "Disk",
    label: "Disk of each node over time",
    value: (point) => Number(point.diskBytes),
    show: bytes,
  },
  {
    title: "Event-loop lag",
    label: "Event-loop lag of each node over time",
    value: (point) => point.loopLagMs,
    show: (value) => `${figure(value)} ms`,
  },
  {
    title: "Errors",
    label: "Share of errors of each node over time",
    value: (point) => point.errorRate,
    show: (value) => percent(value),
  },
];

interface Props {
  past: HistoryNow;
  rangeSeconds: number;
  urls: readonly string[];
}

/** The figures of all nodes over a time: what each node remembers of itself. */
export function PastCharts({ past, rangeSeconds, urls }: Props) {
  const [operation, setOperation] = useWord("operation", OPERATIONS);
  const [share, setShare] = useWord("share", SHARES);
  const { history, at } = past;
  const key = urls.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same URLs come in a new list each time
  const [latency, ...others] = useMemo(() => {
    const values = [latencyOf(operation, share), ...KINDS.map((kind) => kind.value)];
    return values.map((value) => linesOf(history?.nodes ?? [], history?.stepSeconds ?? 0, urls, value));
  }, [history, operation, share, key]);
  const span = useMemo(() => [at - rangeSeconds * 1000, at] as const, [at, rangeSeconds]);
  if (!history) return past.trouble ? <Trouble>{past.trouble}</Trouble> : <Quiet>Asking for the past…</Quiet>;
  const operations = OPERATIONS.map((value) => ({ value, text: value.replace("_", " ") }));
  return (
    <>
      <ChartPanel
        title="Latency"
        label={`Latency (${share}) of ${operation.replace("_", " ")} of each node over time`}
        lines={latency ?? []}
        span={span}
        show={(value) => `${figure(value)} ms`}
        aside={
          <>
            <Choice
              label="Operation"
              isInline
              value={operation}
              options={operations}
              onChoice={setOperation}
            />
            <Segments label="Percentile" value={share} options={SHARES} onChoice={setShare} />
          </>
        }
      />
      {KINDS.map((kind, index) => (
        <ChartPanel
          key={kind.title}
          title={kind.title}
          label={kind.label}
          lines={others[index] ?? []}
          span={span}
          show={kind.show}
        />
      ))}
    </>
  );
}

/** Which nodes remember nothing, and why; and that what is shown is old. */
export function PastTroubles({ past }: { past: HistoryNow }) {
  const silent = past.history?.nodes.filter((node) => node.error) ?? [];
  return (
    <>
      {past.history && past.trouble && <Trouble>{`The past can't be read now: ${past.trouble}`}</Trouble>}
      {silent.map((node) => (
        <Quiet key={node.url}>{`No past of ${hostOf(node.url)}: ${node.error}`}</Quiet>
      ))}
    </>
  );
}
