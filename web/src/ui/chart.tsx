import { useEffect, useRef } from "react";
import UPlot from "uplot";
import { clock } from "../lib/format";
import { useTheme } from "../lib/theme";

export interface Line {
  name: string;
  colour: string;
  points: ReadonlyMap<number, number>;
}

const HEIGHT = 132;
/** The least time that the axis shows. */
const LEAST_SECONDS = 30;

/** A colour for a canvas, from one of CSS. */
function resolved(colour: string): string {
  const name = /^var\((.+)\)$/.exec(colour)?.[1];
  return name ? getComputedStyle(document.documentElement).getPropertyValue(name) : colour;
}

/** The data for uPlot: the moments of all lines, then each line's values at them. */
function dataOf(lines: readonly Line[]): UPlot.AlignedData {
  const moments = [...new Set(lines.flatMap((line) => [...line.points.keys()]))].sort((a, b) => a - b);
  const [only] = moments;
  if (only !== undefined && moments.length === 1) moments.unshift(only - 1000); // uPlot's axis needs two
  return [
    moments.map((ms) => ms / 1000),
    ...lines.map((line) => moments.map((ms) => line.points.get(ms) ?? null)),
  ];
}

/** Seconds since 1970 as times of the day. */
function clocks(_plot: UPlot, moments: number[]): string[] {
  return moments.map((moment) => clock(moment * 1000));
}

function draw(box: HTMLElement, lines: readonly Line[]): UPlot {
  const axis = { stroke: resolved("var(--muted)"), font: "11px Inter Variable" };
  const grid = { stroke: resolved("var(--line)"), width: 1 };
  return new UPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: (_plot, first, last) => [Math.min(first, last - LEAST_SECONDS), last] },
        y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.15)] },
      },
      axes: [
        { ...axis, grid: { show: false }, ticks: { show: false }, size: 24, space: 80, values: clocks },
        { ...axis, grid, ticks: { show: false }, size: 44 },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.name,
          stroke: resolved(line.colour),
          width: 1.5,
          points: { show: false },
        })),
      ],
    },
    dataOf(lines),
    box,
  );
}

/** Some lines over time. label: their meaning, for screen readers. */
export function Chart({ label, lines }: { label: string; lines: readonly Line[] }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(null);
  const latest = useRef(lines);
  latest.current = lines;
  const names = lines.map((line) => line.name + line.colour).join();
  const theme = useTheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: other names or colours need another plot
  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const drawn = draw(place, latest.current);
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height: HEIGHT }));
    resized.observe(place);
    return () => {
      resized.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [names, theme]);
  useEffect(() => plot.current?.setData(dataOf(lines)), [lines]);
  return (
    <div ref={box} role="img" aria-label={label} style={{ height: HEIGHT }} className="overflow-hidden" />
  );
}
