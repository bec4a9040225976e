import type { ReactNode } from "react";
import type { ClusterNode } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, count, figure, hostOf, percent, seconds } from "../../lib/format";
import { colourOf, conditionOf, isKnown, noData } from "../../lib/nodes";
import { go, useText } from "../../lib/router";
import { ConditionMark, Swatch } from "../../ui/condition";
import { Scroll } from "../../ui/scroll";
import { Code } from "../../ui/table";

type Load = NonNullable<ClusterNode["load"]>;

/** A figure of a node. rank: its place in an order; show: its text. */
interface Column {
  name: string;
  rank: (node: ClusterNode) => number;
  show: (node: ClusterNode) => string;
}

function ofLoad(name: string, rank: (load: Load) => number, show: (load: Load) => string): Column {
  return {
    name,
    rank: (node) => (node.load ? rank(node.load) : -1),
    show: (node) => (node.load ? show(node.load) : "–"),
  };
}

const FIGURES: readonly Column[] = [
  { name: "keys", rank: (node) => node.keys, show: (node) => count(node.keys) },
  ofLoad(
    "requests/s",
    (load) => load.requestsPerSecond,
    (load) => figure(load.requestsPerSecond),
  ),
  ofLoad(
    "latency",
    (load) => load.averageLatencyMs,
    (load) => `${figure(load.averageLatencyMs)} ms`,
  ),
  ofLoad(
    "errors",
    (load) => load.errorRate,
    (load) => percent(load.errorRate),
  ),
  ofLoad(
    "cpu",
    (load) => load.cpuPercent,
    (load) => `${figure(load.cpuPercent)}%`,
  ),
  ofLoad(
    "memory",
    (load) => Number(load.memoryBytes),
    (load) => bytes(load.memoryBytes),
  ),
  ofLoad(
    "disk",
    (load) => Number(load.diskBytes),
    (load) => bytes(load.diskBytes),
  ),
  { name: "heard", rank: (node) => node.lag, show: (node) => `${seconds(node.lag)} ago` },
];
const TEXTS: Record<string, (node: ClusterNode) => string> = {
  node: (node) => hostOf(node.url),
  zone: (node) => node.zone,
  condition: conditionOf,
};

/** Nodes in the order of a column, by their names where it says nothing; those without figures come last. */
function sorted(nodes: readonly ClusterNode[], column: string, isFalling: boolean): ClusterNode[] {
  const text = TEXTS[column];
  const figures = column === "owns" ? (node: ClusterNode) => node.share : undefined;
  const rank = figures ?? FIGURES.find((one) => one.name === column)?.rank;
  const value = (node: ClusterNode) => (rank && (figures || isKnown(node)) ? rank(node) : Number.NaN);
  const sign = isFalling ? -1 : 1;
  return [...nodes].sort((one, other) => {
    const byName = hostOf(one.url).localeCompare(hostOf(other.url), "en", { numeric: true });
    if (text) return sign * (text(one).localeCompare(text(other), "en", { numeric: true }) || byName);
    const [a, b] = [value(one), value(other)];
    if (Number.isNaN(a) || Number.isNaN(b))
      return Number(Number.isNaN(a)) - Number(Number.isNaN(b)) || byName;
    return sign * (a - b) || byName;
  });
}

function Head(props: { name: string; order: string; onOrder: (order: string) => void; isRight: boolean }) {
  const { name, order } = props;
  const is = order === name ? "ascending" : order === `-${name}` ? "descending" : "none";
  return (
    <th
      scope="col"
      aria-sort={is}
      className={`whitespace-nowrap border-line border-b px-2 pb-1.5 font-medium ${props.isRight ? "text-right" : ""}`}
    >
      <button
        type="button"
        className="hover:text-ink"
        onClick={() =>
          props.onOrder(is === "descending" || (is === "none" && !props.isRight) ? name : `-${name}`)
        }
      >
        {name}
        {is === "none" ? "" : is === "ascending" ? " ↑" : " ↓"}
      </button>
    </th>
  );
}

function Figures({ node, heardAt }: { node: ClusterNode; heardAt: number }): ReactNode {
  if (isKnown(node))
    return FIGURES.map((column) => (
      <Code key={column.name} right>
        {column.show(node)}
      </Code>
    ));
  return (
    <td colSpan={FIGURES.length} className="text-right text-muted text-xs">
      {noData(node, heardAt)}
    </td>
  );
}

interface Props {
  nodes: readonly ClusterNode[];
  urls: readonly string[];
  reporter: string;
  heardAt: number;
}

/** The nodes, a line each, in any order. reporter: the URL of the node that reports. heardAt: when that came. */
export function NodeTable({ nodes, urls, reporter, heardAt }: Props) {
  const [order, setOrder] = useText("sort");
  const chosen = order || "node";
  const head = (name: string, isRight: boolean) => (
    <Head key={name} name={name} order={chosen} onOrder={setOrder} isRight={isRight} />
  );
  return (
    <Scroll label="Nodes" className="overflow-x-auto rounded-lg border border-line bg-panel p-3">
      <table className="w-full text-left text-[13px]">
        <thead className="text-muted text-xs">
          <tr>
            {["node", "zone", "condition"].map((name) => head(name, false))}
            {["owns", ...FIGURES.map((column) => column.name)].map((name) => head(name, true))}
          </tr>
        </thead>
        <tbody className="[&_td]:border-line/60 [&_td]:border-b [&_td]:px-2 [&_td]:py-1.5 [&_tr:last-child_td]:border-b-0">
          {sorted(nodes, chosen.replace(/^-/, ""), chosen.startsWith("-")).map((node) => (
            <tr key={node.url}>
              <td className="whitespace-nowrap font-mono text-xs">
                <button
                  type="button"
                  className="hover:underline"
                  onClick={() => go("/dashboard/nodes", { node: node.url })}
                >
                  <Swatch colour={colourOf(urls, node.url)} /> {hostOf(node.url)}
                </button>
                {node.url === reporter && <span className="text-muted"> · reports this</span>}
              </td>
              <td className="text-xs">{node.zone || "–"}</td>
              <td className="whitespace-nowrap">
                <ConditionMark is={conditionOf(node)} />
                {node.standing !== "normal" && (
                  <span className="text-muted text-xs"> · {node.standing || "not a member"}</span>
                )}
              </td>
              <Code right>{percent(node.share)}</Code>
              <Figures node={node} heardAt={heardAt} />
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
