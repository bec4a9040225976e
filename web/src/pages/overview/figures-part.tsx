import type { Feed } from "../../api/cluster-feed";
import type { HistoryNow } from "../../api/use-history";
import { Segments } from "../../ui/segments";
import { LiveCharts } from "./live-charts";
import { PastCharts, PastTroubles } from "./past-charts";

export const RANGES = ["15 min", "1 h", "6 h", "24 h", "live"] as const;
export type Range = (typeof RANGES)[number];

const SECONDS: Record<Range, number> = {
  "15 min": 900,
  "1 h": 3600,
  "6 h": 21_600,
  "24 h": 86_400,
  live: 900,
};

/** How far back a range goes, in seconds. */
export function secondsOf(range: Range): number {
  return SECONDS[range];
}

interface Props {
  feed: Feed;
  urls: readonly string[];
  range: Range;
  onRange: (range: Range) => void;
  past: HistoryNow;
}

/** Charts of all nodes, over a time that the viewer chooses. */
export function FiguresPart({ feed, urls, range, onRange, past }: Props) {
  return (
    <section aria-label="Figures over time" className="space-y-3">
      <div className="flex items-center justify-between gap-3">
        <h2 className="font-semibold text-[13px]">Figures over time</h2>
        <Segments label="Range" value={range} options={RANGES} onChoice={onRange} />
      </div>
      {range !== "live" && <PastTroubles past={past} />}
      <div className="grid gap-3 md:grid-cols-2 xl:grid-cols-3">
        {range === "live" ? (
          <LiveCharts samples={feed.samples} urls={urls} />
        ) : (
          <PastCharts past={past} rangeSeconds={secondsOf(range)} urls={urls} />
        )}
      </div>
    </section>
  );
}
