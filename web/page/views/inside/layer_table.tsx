// layer_table.tsx: the model as a map: a row for each layer in the order of a pass, with a bar of its weights' signs; a layer opens into its
// tensors. It is a table, so that it can be read as well as looked at.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { formatBytes, formatPercent } from "../../format.js";
import type { ModelMap, TensorMap, TernaryCount } from "../../library.js";
import { Shares } from "../../parts/shares.js";
import { strings } from "../../strings.js";

const words = strings.inside;

export function LayerTable({ map }: { map: ModelMap }) {
  const [open, setOpen] = useState<number | null>(null);
  const outside = (part: string) => map.tensors.filter((tensor) => tensor.part === part);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-labelledby="inside-map">
      <table class="map numbers">
        <thead>
          <tr>
            <th scope="col">{words.part}</th>
            <th scope="col" class="strip">
              <span class="hidden">{words.shares}</span>
            </th>
            <th scope="col" class="side">
              −1
            </th>
            <th scope="col">0</th>
            <th scope="col" class="side">
              +1
            </th>
            <th scope="col">{words.size}</th>
          </tr>
        </thead>
        <tbody>
          {outside("embedding").map(tensorRow)}
          {map.layers.map((layer, i) => [
            <Row key={i} count={layer.ternary} bytes={layer.bytes}>
              <button
                type="button"
                class="plain"
                aria-expanded={open === i}
                onClick={() => setOpen(open === i ? null : i)}
              >
                {words.layer(i + 1)}
              </button>
            </Row>,
            ...(open === i ? map.tensors.filter((one) => one.layer === i) : []).map(tensorRow),
          ])}
          {outside("head").map(tensorRow)}
        </tbody>
      </table>
    </div>
  );
}

function tensorRow(tensor: TensorMap) {
  const { name, rows, columns, type, scales } = tensor;
  const range = scales && words.scales(scales.least, scales.greatest);
  return (
    <Row key={name} count={tensor.ternary} bytes={tensor.bytes} small>
      {name.replace(/^layers\.\d+\./, "")}
      <span class="quiet">
        {rows} × {columns} {type}
        {range && `, ${range}`}
      </span>
    </Row>
  );
}

interface RowProps {
  count: TernaryCount | null;
  bytes: number;
  small?: boolean;
  children: ComponentChildren;
}

function Row({ count, bytes, small, children }: RowProps) {
  const known = count && count.weights > 0 ? count : null;
  const of = (part: number | undefined) =>
    known && part !== undefined ? formatPercent(part, known.weights) : "–";
  return (
    <tr class={small ? "tensor" : ""}>
      <th scope="row">{children}</th>
      <td class="strip">
        {known && (
          <Shares
            shares={[
              { kind: "minus", size: known.minus },
              { kind: "zero", size: known.zero },
              { kind: "plus", size: known.plus },
            ]}
          />
        )}
      </td>
      <td class="side">{of(known?.minus)}</td>
      <td>{of(known?.zero)}</td>
      <td class="side">{of(known?.plus)}</td>
      <td>{formatBytes(bytes)}</td>
    </tr>
  );
}
