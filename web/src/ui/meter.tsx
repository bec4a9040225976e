/** A share, 0 to 1, as a bar. */
export function Meter(props: { label: string; share: number; colour?: string }) {
  const share = Math.max(0, Math.min(1, props.share));
  return (
    <div
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      className="h-1.5 w-full overflow-hidden rounded-full bg-raised"
    >
      <div
        className="h-full rounded-full transition-[width] duration-300"
        style={{ width: `${share * 100}%`, background: props.colour ?? "var(--accent)" }}
      />
    </div>
  );
}
