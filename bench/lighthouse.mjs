// lighthouse.mjs - what Lighthouse says of every view of the built page, on a phone and on a desk: performance, accessibility and
// best practices, 95 of 100 or the command fails and says which audits took the points. Run by `npm run lighthouse`. The
// views are those that the page links to. Each is asked several times and the median is judged, as Lighthouse's authors advise: it multiplies what a
// task took by four for a phone, so that one task that had to wait for another program takes five points. Lighthouse itself is fetched by this command alone; nothing in the page knows of it.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createServer, listen } from "../scripts/serve.mjs";
import { site } from "../scripts/paths.mjs";
import { StepError, isProgram, reportFailure, runCommand } from "../scripts/steps.mjs";
import { chromiumPath, launcher, prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { benchFolder } from "./models.mjs";
import { readOptions } from "./options.mjs";
import { median } from "./statistics.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { installRival } from "./rivals.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";

export const LEAST_SCORE = 95;

const command = {
  usage: "npm run lighthouse -- [OPTIONS]",
  summary: `Lighthouse on every view of the page; fails below ${LEAST_SCORE} of 100.`,
  options: {
    forms: {
      kind: "list",
      value: "LIST",
      help: "mobile, desktop (default both; mobile is a slow phone on a slow network)",
      default: ["mobile", "desktop"],
      choices: ["mobile", "desktop"],
    },
    runs: {
      kind: "count",
      value: "N",
      help: "reports of each view and form (default 5)",
      default: 5,
    },
    views: { kind: "list", value: "LIST", help: "addresses of views, start for the first one" },
    json: { kind: "text", value: "FILE", help: "write the scores to FILE" },
  },
};

const categories = ["performance", "accessibility", "best-practices"];

/** The addresses that the page's own links lead to, behind its "#/"; "" is the first view. */
async function viewsOf(origin) {
  const browser = await (
    await launcher()
  ).launch({ executablePath: chromiumPath(), args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const page = await browser.newPage();
    await page.goto(`${origin}/`);
    const links = page.getByRole("navigation").getByRole("link");
    await links.first().waitFor();
    const found = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
    return found.map((address) => address.replace(/^#\/?/, ""));
  } finally {
    await browser.close();
  }
}

/** The report of one view; asked again where Lighthouse itself failed to record the page, which happens now and then. */
async function ask(folder, address, form, tries = 3) {
  try {
    return await askOnce(folder, address, form);
  } catch (error) {
    if (!(error instanceof StepError) || tries === 1) throw error;
    return ask(folder, address, form, tries - 1);
  }
}

/** As Lighthouse writes it. */
async function askOnce(folder, address, form) {
  const out = join(benchFolder, "lighthouse", `${form}.json`);
  mkdirSync(join(out, ".."), { recursive: true });
  const args = [
    join(folder, "cli", "index.js"),
    address,
    "--quiet",
    "--output=json",
    `--output-path=${out}`,
    `--only-categories=${categories.join(",")}`,
    "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
    ...(form === "desktop" ? ["--preset=desktop"] : []),
  ];
  await runCommand(process.execPath, args, {
    env: { CHROME_PATH: chromiumPath() },
    failure: `Lighthouse did not finish ${address}`,
  });
  const report = JSON.parse(readFileSync(out, "utf8"));
  if (report.runtimeError) throw new StepError(`Lighthouse: ${report.runtimeError.message}`);
  return report;
}

/** The audits that took points, as "colour-contrast 0.5". */
function lostPoints(report, category) {
  return report.categories[category].auditRefs
    .filter(({ id, weight }) => weight > 0 && report.audits[id].score !== null)
    .filter(({ id }) => report.audits[id].score < 0.95)
    .map(({ id }) => `${id} ${report.audits[id].score}`);
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const result = startResult("lighthouse", {
    forms: options.forms,
    runs: options.runs,
    least: LEAST_SCORE,
  });
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const report = (text) => process.stdout.write(`${text}\n`);
  const { folder, version } = await installRival("lighthouse", report);
  const server = createServer({ root: site, isolation: true });
  const origin = `http://127.0.0.1:${await listen(server, { port: 0 })}`;
  const low = [];
  try {
    const views = options.views?.map((name) => (name === "start" ? "" : name));
    for (const view of views ?? (await viewsOf(origin)))
      for (const form of options.forms) {
        const found = [];
        for (let run = 0; run < options.runs; ++run)
          found.push(await ask(folder, `${origin}/#/${view}`, form));
        const figures = {};
        for (const category of categories) {
          const scores = found.map((one) => Math.round(100 * one.categories[category].score));
          figures[category.replace("-", "_")] = scores;
          if (median(scores) >= LEAST_SCORE) continue;
          const lost = lostPoints(found[scores.indexOf(Math.min(...scores))], category).join(", ");
          low.push(`${view || "start"}, ${form}: ${category} ${scores.join(" ")}: ${lost}`);
        }
        addRow(result, { subject: `view ${view || "start"}`, engine: form, figures });
        report(
          `  ${view || "start"}, ${form}: ${Object.values(figures)
            .map((scores) => scores.join(" "))
            .join(", ")}`,
        );
      }
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  result.notes.push(`Lighthouse ${version}`);
  report(`\n${textTable(columnsOf(result), result.rows)}`);
  for (const note of result.notes) report(note);
  report(machineLine(result.machine));
  if (options.json) writeResult(result, options.json);
  if (low.length > 0) throw new StepError(`below ${LEAST_SCORE}:\n${low.join("\n")}`);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
