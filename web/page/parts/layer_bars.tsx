// layer_bars.tsx: the time of each layer as columns, for the eye: who shows it writes the numbers beside it, or where they stand.

export function LayerBars({ times, kind }: { times: readonly number[]; kind: "large" | "small" }) {
  const most = Math.max(...times, 1e-9);
  return (
    <svg
      class={`layer-bars ${kind}`}
      viewBox={`0 0 ${Math.max(times.length, 1)} 1`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {times.map((seconds, i) => (
        <rect key={i} x={i + 0.1} y={1 - seconds / most} width="0.8" height={seconds / most} />
      ))}
    </svg>
  );
}
