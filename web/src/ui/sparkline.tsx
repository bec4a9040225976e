const HEIGHT = 26;

/** The unbroken parts of some values, each with the place of its first. */
function parts(values: readonly (number | null)[]): { from: number; values: number[] }[] {
  const found: { from: number; values: number[] }[] = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const last = found.at(-1);
    if (last && last.from + last.values.length === index) last.values.push(value);
    else found.push({ from: index, values: [value] });
  });
  return found;
}

/** Some values over time, without axes; null: a gap, for nobody knows. */
export function Sparkline({ values, colour }: { values: readonly (number | null)[]; colour: string }) {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  const step = 100 / Math.max(1, values.length - 1);
  const x = (index: number) => (index * step).toFixed(1);
  return (
    <svg viewBox="0 0 100 28" preserveAspectRatio="none" className="h-7 w-full" aria-hidden="true">
      {parts(values).map((part) => {
        const end = part.from + part.values.length - 1;
        const points = part.values
          .map((value, index) => `${x(part.from + index)},${(HEIGHT - (value / most) * 24).toFixed(1)}`)
          .join(" ");
        return (
          <g key={part.from}>
            <polygon points={`${x(part.from)},28 ${points} ${x(end)},28`} fill={colour} opacity="0.14" />
            <polyline
              points={points}
              fill="none"
              stroke={colour}
              strokeWidth="1.5"
              vectorEffect="non-scaling-stroke"
            />
          </g>
        );
      })}
    </svg>
  );
}
