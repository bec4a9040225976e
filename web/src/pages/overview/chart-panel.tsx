import { largest, lastOf } from "../../lib/history";
import { Chart, type Line } from "../../ui/chart";
import { Swatch } from "../../ui/condition";
import { Panel } from "../../ui/panel";

interface Props {
  title: string;
  label: string;
  lines: readonly Line[];
  /** A value in words. */
  show: (value: number) => string;
  /** The time that the chart shows, in ms since 1970; undefined: that of the lines. */
  span?: readonly [number, number] | undefined;
  aside?: React.ReactNode;
}

/** A chart of all nodes, or of those with the largest values, and each node's last one. */
export function ChartPanel({ title, label, lines, show, span, aside }: Props) {
  const shown = largest(lines);
  return (
    <Panel
      title={title}
      aside={
        <>
          {shown.length < lines.length && `the largest ${shown.length} of ${lines.length}`}
          {aside}
        </>
      }
    >
      <Chart label={label} lines={shown} span={span} show={show} />
      <ul aria-label="Last values" className="mt-2 grid grid-cols-2 gap-x-3 gap-y-1 text-muted text-xs">
        {shown.map((line) => {
          const last = lastOf(line);
          return (
            <li key={line.name} className="flex items-center gap-1.5">
              <Swatch colour={line.colour} /> {line.name}
              <span className="font-mono text-ink">{last === null ? "–" : show(last)}</span>
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
