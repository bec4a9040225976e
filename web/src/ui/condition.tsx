import type { Condition, Health } from "../lib/nodes";

const TONES: Record<Condition | Health, string> = {
  active: "text-good",
  healthy: "text-good",
  stale: "text-warn",
  degraded: "text-warn",
  unknown: "text-warn",
  unreachable: "text-bad",
  dead: "text-bad",
  critical: "text-bad",
};

/** The condition of a node or the cluster: a dot and a word, so that nothing depends on colour alone. */
export function ConditionMark({ is, beat }: { is: Condition | Health; beat?: number }) {
  return (
    <span className={`inline-flex items-center gap-1.5 font-medium text-xs ${TONES[is]}`}>
      <span key={beat} className={`size-2 rounded-full bg-current ${beat === undefined ? "" : "beat"}`} />
      {is}
    </span>
  );
}

/** A dot in a node's colour, beside its name. */
export function Swatch({ colour }: { colour: string }) {
  return <span className="inline-block size-2.5 shrink-0 rounded-[3px]" style={{ background: colour }} />;
}
