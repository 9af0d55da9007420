// error_table.tsx: every error that the library can give, by its code: what it says, and what to do. The sentences are the
// library's own.

import { TercetError, type ErrorCode } from "../../library.js";
import { sentence } from "../../format.js";
import { strings } from "../../strings.js";

/** Replaced by build.mjs. */
declare const ERROR_CODES: readonly ErrorCode[];

const words = strings.hood;

export function ErrorTable() {
  return (
    <section aria-labelledby="hood-errors">
      <h2 id="hood-errors">{words.errors}</h2>
      <p class="quiet">{words.errorsHint}</p>
      <details id="errors">
        <summary>{words.errorsShow(ERROR_CODES.length)}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{words.code}</th>
              <th scope="col">{words.sentence}</th>
              <th scope="col">{words.todo}</th>
            </tr>
          </thead>
          <tbody>
            {ERROR_CODES.map((code) => {
              const error = new TercetError(code);
              return (
                <tr key={code}>
                  <th scope="row">
                    <code>{code}</code>
                  </th>
                  <td>{sentence(error.message)}</td>
                  <td>{strings.problem.advice[error.advice]}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </details>
    </section>
  );
}
