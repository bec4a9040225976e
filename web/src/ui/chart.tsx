import { useEffect, useRef } from "react";
import UPlot from "uplot";
import { clock } from "../lib/format";
import { useTheme } from "../lib/theme";

/** A line over time. points: values by their moments, in ms since 1970; null: a gap, for nobody knows. */
export interface Line {
  name: string;
  colour: string;
  points: ReadonlyMap<number, number | null>;
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
    // uPlot breaks a line at null, and not at undefined: a moment that only other lines have
    ...lines.map((line) => moments.map((ms) => line.points.get(ms))),
  ];
}

/** Seconds since 1970 as times of the day. */
function clocks(_plot: UPlot, moments: number[]): string[] {
  return moments.map((moment) => clock(moment * 1000));
}

/** The places of a series' values that have no neighbours, which no line would show. */
function lonely(plot: UPlot, series: number): number[] {
  const values = [...(plot.data[series] ?? [])];
  const isGap = (place: number) => (values[place] ?? null) === null;
  return values.flatMap((_, place) => (!isGap(place) && isGap(place - 1) && isGap(place + 1) ? [place] : []));
}

function draw(box: HTMLElement, lines: readonly Line[], shown: Shown): UPlot {
  const axis = { stroke: resolved("var(--muted)"), font: "11px Inter Variable" };
  const grid = { stroke: resolved("var(--line)"), width: 1 };
  return new UPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: (_plot, first, last) => shown.span ?? [Math.min(first, last - LEAST_SECONDS), last] },
        y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.15)] },
      },
      axes: [
        { ...axis, grid: { show: false }, ticks: { show: false }, size: 24, space: 80, values: clocks },
        {
          ...axis,
          grid,
          ticks: { show: false },
          size: 56,
          values: (_plot, values) => values.map((value) => shown.show(value)),
        },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.name,
          stroke: resolved(line.colour),
          width: 1.5,
          points: { show: false, size: 4, filter: lonely },
        })),
      ],
    },
    dataOf(lines),
    box,
  );
}

/** How many parts the lines have, each unbroken. */
function countParts(lines: readonly Line[]): number {
  const of = (line: Line) => {
    const values = [...line.points.values()];
    return values.filter((value, index) => value !== null && (values[index - 1] ?? null) === null).length;
  };
  return lines.reduce((sum, line) => sum + of(line), 0);
}

/** What a chart shows of its lines. span: the time, in seconds since 1970. */
interface Shown {
  span: [number, number] | undefined;
  show: (value: number) => string;
}

interface Props {
  label: string;
  lines: readonly Line[];
  /** The time to show, in ms since 1970; undefined: that of the lines. */
  span?: readonly [number, number] | undefined;
  /** A value in words. */
  show?: (value: number) => string;
}

/** Some lines over time. label: their meaning, for screen readers. */
export function Chart({ label, lines, span, show = String }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(null);
  const latest = useRef(lines);
  latest.current = lines;
  const shown = useRef<Shown>({ span: undefined, show });
  shown.current.span = span && [span[0] / 1000, span[1] / 1000];
  shown.current.show = show;
  const names = lines.map((line) => line.name + line.colour).join();
  const theme = useTheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: other names or colours need another plot
  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const drawn = draw(place, latest.current, shown.current);
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height: HEIGHT }));
    resized.observe(place);
    return () => {
      resized.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [names, theme]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another time needs another look at the lines
  useEffect(() => plot.current?.setData(dataOf(lines)), [lines, span]);
  return (
    <div
      ref={box}
      role="img"
      aria-label={label}
      data-parts={countParts(lines)}
      style={{ height: HEIGHT }}
      className="overflow-hidden"
    />
  );
}
