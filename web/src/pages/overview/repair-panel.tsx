import type { ClusterNode, WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { bytes, clock, count, hostOf, signed } from "../../lib/format";
import { colourOf, isKnown } from "../../lib/nodes";
import { Swatch } from "../../ui/condition";
import { Panel, Quiet } from "../../ui/panel";
import { Code, Table } from "../../ui/table";

function Peer({ node, urls }: { node: ClusterNode; urls: readonly string[] }) {
  return (
    <tr>
      <td className="whitespace-nowrap font-mono text-xs">
        <Swatch colour={colourOf(urls, node.url)} /> {hostOf(node.url)}
      </td>
      <Code right>{bytes(node.hintBytes)}</Code>
      <Code right>
        {node.clockOffsetMs === undefined || !isKnown(node)
          ? "unknown"
          : `${signed(Number(node.clockOffsetMs))} ms`}
      </Code>
      <Code right>{isKnown(node) ? node.epoch.toString() : "unknown"}</Code>
    </tr>
  );
}

interface Props {
  snapshot: WatchClusterResponse;
  urls: readonly string[];
  isLive: boolean;
  heardAt: number;
}

/** Hints for the peers, their clocks, and the repair of replicas. isLive: whether the snapshot, which came at
 * heardAt, still holds. */
export function RepairPanel({ snapshot, urls, isLive, heardAt }: Props) {
  const peers = snapshot.nodes.filter((node) => node.url !== snapshot.nodeUrl);
  const { repair } = snapshot;
  if (!isLive)
    return (
      <Panel title="Hints, clocks and repair">
        <Quiet>no data since {clock(heardAt)}</Quiet>
      </Panel>
    );
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
