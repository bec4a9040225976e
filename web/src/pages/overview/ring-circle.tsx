import { memo, type PointerEvent } from "react";
import { count, hostOf } from "../../lib/format";
import { colourOf } from "../../lib/nodes";
import { type Arc, arcAt, bandPath, point } from "../../lib/ring";

const OUTER = 100;
const INNER = 82;
const MARKS = 75;
/** Replicas are neighbours on the ring: each mark stands further in, so that all are visible. */
const APART = 9;

/** A key on the circle, and the ends of its replicas' ranges. */
export interface Placed {
  key: string;
  degrees: number;
  owners: ReadonlyMap<string, number>;
}

interface Props {
  arcs: readonly Arc[];
  urls: readonly string[];
  hovered: Arc | undefined;
  placed: Placed | undefined;
  onHover: (arc: Arc | undefined) => void;
}

/** All ranges of a node in one path: a thousand elements would be slow. */
const Bands = memo(({ arcs, urls }: { arcs: readonly Arc[]; urls: string }) => {
  const all = urls.split(",");
  return all.map((url) => {
    const path = arcs.filter((arc) => arc.url === url).map((arc) => bandPath(arc, INNER, OUTER));
    return <path key={url} d={path.join("")} fill={colourOf(all, url)} />;
  });
});

function degreesAt(event: PointerEvent<SVGSVGElement>): number {
  const box = event.currentTarget.getBoundingClientRect();
  const x = event.clientX - box.left - box.width / 2;
  const y = event.clientY - box.top - box.height / 2;
  return ((Math.atan2(y, x) * 180) / Math.PI + 450) % 360;
}

function Placing({ placed, urls }: { placed: Placed; urls: readonly string[] }) {
  const [x, y] = point(placed.degrees, OUTER + 6);
  return (
    <g data-testid="placed">
      {[...placed.owners].map(([url, degrees], index) => {
        const [ownerX, ownerY] = point(degrees, MARKS - index * APART);
        return (
          <g key={url}>
            <line x1={x} y1={y} x2={ownerX} y2={ownerY} stroke="var(--muted)" strokeWidth="0.5" />
            <circle cx={ownerX} cy={ownerY} r="4" fill={colourOf(urls, url)} stroke="var(--panel)" />
          </g>
        );
      })}
      <circle cx={x} cy={y} r="3" fill="var(--ink)" stroke="var(--panel)" />
    </g>
  );
}

/** The text in the middle of the circle: of the range under the pointer, of the key, or of all. */
function middle({ arcs, hovered, placed }: Pick<Props, "arcs" | "hovered" | "placed">): [string, string] {
  if (hovered) return [`${((hovered.size / 360) * 100).toFixed(3)}%`, hostOf(hovered.url)];
  if (placed) return [`${placed.degrees.toFixed(1)}°`, "where the key is"];
  return [count(arcs.length), "ranges"];
}

function Centre(props: Pick<Props, "arcs" | "hovered" | "placed">) {
  const [large, small] = middle(props);
  return (
    <g textAnchor="middle" fill="var(--ink)">
      <text y="-2" fontSize="20" fontWeight="600">
        {large}
      </text>
      <text y="15" fontSize="9" fill="var(--muted)">
        {small}
      </text>
    </g>
  );
}

/** The ring as a circle: zero is at the top, tokens grow clockwise. */
export function RingCircle({ arcs, urls, hovered, placed, onHover }: Props) {
  return (
    <svg
      viewBox="-112 -112 224 224"
      role="img"
      aria-label={`The ring: ${arcs.length} ranges of ${urls.length} nodes`}
      className="mx-auto aspect-square w-full max-w-[26rem] touch-pan-y"
      onPointerMove={(event) => onHover(arcs[arcAt(arcs, degreesAt(event))])}
      onPointerLeave={() => onHover(undefined)}
    >
      <Bands arcs={arcs} urls={urls.join()} />
      {hovered && <path d={bandPath(hovered, INNER - 5, OUTER + 4)} fill="var(--ink)" />}
      {placed && <Placing placed={placed} urls={urls} />}
      <Centre arcs={arcs} hovered={hovered} placed={placed} />
    </svg>
  );
}
