import type { ClusterNode, WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, count, hostOf, signed } from "../../lib/format";
import { colourOf } from "../../lib/nodes";
import { Swatch } from "../../ui/condition";
import { Panel } from "../../ui/panel";
import { Code, Table } from "../../ui/table";

function Peer({ node, urls }: { node: ClusterNode; urls: readonly string[] }) {
  return (
    <tr>
      <td className="whitespace-nowrap font-mono text-xs">
        <Swatch colour={colourOf(urls, node.url)} /> {hostOf(node.url)}
      </td>
      <Code right>{bytes(node.hintBytes)}</Code>
      <Code right>
        {node.clockOffsetMs === undefined ? "unknown" : `${signed(Number(node.clockOffsetMs))} ms`}
      </Code>
      <Code right>{node.epoch.toString()}</Code>
    </tr>
  );
}

/** Hints for the peers, their clocks, and the repair of replicas. */
export function RepairPanel({ snapshot, urls }: { snapshot: WatchClusterResponse; urls: readonly string[] }) {
  const peers = snapshot.nodes.filter((node) => node.url !== snapshot.nodeUrl);
  const { repair } = snapshot;
  return (
    <Panel title="Hints, clocks and repair" aside={`as ${hostOf(snapshot.nodeUrl)} sees it`}>
      <Table label="Peers" columns={["peer", "hints waiting>", "clock offset>", "knows epoch>"]}>
        {peers.map((node) => (
          <Peer key={node.url} node={node} urls={urls} />
        ))}
      </Table>
      {repair && (
        <p className="mt-3 border-line border-t pt-3 text-muted text-xs leading-5">
          Repair: {count(repair.passes)} passes, {count(repair.compared)} parts compared,{" "}
          {count(repair.differing)} differed, {count(repair.skipped)} skipped; {count(repair.pulled)} records
          taken, {count(repair.pushed)} given, {count(repair.purged)} purged, {count(repair.dropped)} dropped.
        </p>
      )}
    </Panel>
  );
}
