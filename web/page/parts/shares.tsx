// shares.tsx: a bar of parts laid end to end, for the eye: the same numbers stand beside it as text. Widths are attributes, since the
// content policy refuses styles.

export interface Share {
  /** Its colour: a class of parts.css. */
  kind: string;
  size: number;
}

/** `whole`: what the full width stands for; default: all parts together. */
export function Shares({ shares, whole }: { shares: Share[]; whole?: number }) {
  const all = whole ?? shares.reduce((sum, { size }) => sum + size, 0);
  let at = 0;
  return (
    <svg class="shares" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      {shares.map(({ kind, size }) => {
        const width = all > 0 ? (100 * size) / all : 0;
        at += width;
        return <rect key={kind} class={kind} x={at - width} y="0" width={width} height="1" />;
      })}
    </svg>
  );
}
