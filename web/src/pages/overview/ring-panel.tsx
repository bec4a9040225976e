import { useState } from "react";
import type { ClusterNode, WatchClusterResponse } from "../../gen/limedbpb/v1/cluster_pb";
import { count, hostOf } from "../../lib/format";
import { colourOf } from "../../lib/nodes";
import type { Arc } from "../../lib/ring";
import { Swatch } from "../../ui/condition";
import { Owners } from "../../ui/owners";
import { Panel, Quiet, Trouble } from "../../ui/panel";
import { Ownership } from "./ownership";
import { PlaceForm } from "./place-form";
import { RingCircle } from "./ring-circle";
import { usePlacing } from "./use-placing";
import { useRing } from "./use-ring";

function RangeFacts({ arc, urls }: { arc: Arc | undefined; urls: readonly string[] }) {
  if (!arc) return <Quiet>Point at the ring to see a range.</Quiet>;
  return (
    <p data-testid="range" className="break-all py-2 font-mono text-muted text-xs leading-5">
      <Swatch colour={colourOf(urls, arc.url)} /> <span className="text-ink">{hostOf(arc.url)}</span> is the
      first owner of {((arc.size / 360) * 100).toFixed(3)}%: {arc.startHash} – {arc.endHash}
    </p>
  );
}

interface Props {
  snapshot: WatchClusterResponse;
  members: readonly ClusterNode[];
  urls: readonly string[];
}

/** Ownership: the ring, the shares, and the place of a key. */
export function RingPanel({ snapshot, members, urls }: Props) {
  const { ring, arcs, trouble } = useRing(snapshot.epoch);
  const [hovered, setHovered] = useState<Arc>();
  const placing = usePlacing(arcs);
  return (
    <Panel
      title="Ring"
      aside={ring && `${count(ring.virtualNodes)} virtual nodes · ${snapshot.replicationFactor} replicas`}
    >
      {trouble && <Trouble>{trouble}</Trouble>}
      <div className="grid items-start gap-x-5 gap-y-3 lg:grid-cols-2">
        <div>
          <RingCircle
            arcs={arcs}
            urls={urls}
            hovered={hovered}
            placed={placing.placed}
            onHover={setHovered}
          />
          <RangeFacts arc={hovered} urls={urls} />
        </div>
        <div className="min-w-0 space-y-4">
          <Ownership nodes={members} urls={urls} />
          <PlaceForm onPlace={placing.place} />
          {placing.trouble && <Trouble>{placing.trouble}</Trouble>}
          {placing.located && <Owners located={placing.located} urls={urls} />}
        </div>
      </div>
    </Panel>
  );
}
