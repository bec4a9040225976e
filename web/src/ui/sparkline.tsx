/** Some values over time, without axes. */
export function Sparkline(props: { values: readonly number[]; colour: string }) {
  const { colour } = props;
  const values = props.values.length > 1 ? props.values : [0, 0];
  const most = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map(
    (value, index) => `${(index * step).toFixed(1)},${(26 - (value / most) * 24).toFixed(1)}`,
  );
  return (
    <svg viewBox="0 0 100 28" preserveAspectRatio="none" className="h-7 w-full" aria-hidden="true">
      <polygon points={`0,28 ${points.join(" ")} 100,28`} fill={colour} opacity="0.14" />
      <polyline
        points={points.join(" ")}
        fill="none"
        stroke={colour}
        strokeWidth="1.5"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}
