// figures.tsx: a list of named numbers, the way every view shows them. A figure without a value shows a dash and keeps its
// room, so that nothing moves when it comes.

export interface Figure {
  name: string;
  value: string | null | undefined;
  id?: string;
}

export function Figures({ figures, className = "" }: { figures: Figure[]; className?: string }) {
  return (
    <dl class={`figures ${className}`}>
      {figures.map(({ name, value, id }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd id={id}>{value || "–"}</dd>
        </div>
      ))}
    </dl>
  );
}
