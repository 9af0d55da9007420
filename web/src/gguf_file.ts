// gguf_file.ts: the engine's side of the script for GGUF files (gguf_module.ts): fetches it for a file that is one, and for the list
// of what is stored where a download of one may lie. It knows nothing of packing.
import { unlessAborted } from "./aborting.js";
import { DOWNLOADS_DATABASE } from "./gguf_record.js";
import type { GgufSource } from "./gguf_source.js";
import { lateScript } from "./late_script.js";
import { moduleFiles } from "./module_files.js";
import type { Progress } from "./progress.js";
import type { LoadMessage, StorePlaces } from "./protocol.js";
import type { StoredModel } from "./types.js";

/** A file that is, or is to be taken for, a GGUF file. */
export interface GgufFile {
  /** What the store knows the packed model by. */
  key: string;
  open(signal: AbortSignal, progress: Progress, notices: string[]): GgufSource;
}

/** NETWORK_FAILED when the script does not come. */
export async function ggufFile(message: LoadMessage, signal: AbortSignal): Promise<GgufFile> {
  const { assetsUrl } = message;
  const { ggufKey, GgufSource } = await unlessAborted(signal, ggufScript(assetsUrl));
  const packerFiles = () => moduleFiles("packer", assetsUrl);
  return {
    key: await ggufKey(message),
    open: (...context) => new GgufSource(message, ...context, packerFiles),
  };
}

/** What was downloaded of files that no model was made of yet. Without the script they are in no list. */
export async function listDownloads({ assetsUrl, cacheDir }: StorePlaces): Promise<StoredModel[]> {
  if (!(await mayHaveDownloads())) return [];
  return ggufScript(assetsUrl).then(
    (script) => script.listDownloads(cacheDir),
    () => [],
  );
}

/** False when there is none of that id. */
export async function deleteDownload(
  { assetsUrl, cacheDir }: StorePlaces,
  id: string,
): Promise<boolean> {
  return (await mayHaveDownloads()) && (await ggufScript(assetsUrl)).deleteDownload(cacheDir, id);
}

function ggufScript(assetsUrl: string | null): Promise<typeof import("./gguf_module.js")> {
  return lateScript("gguf", assetsUrl);
}

/** Who never loaded a GGUF file here has no such database. Where nobody can say, as in Node, there may be some. */
async function mayHaveDownloads(): Promise<boolean> {
  const databases = await globalThis.indexedDB?.databases?.().catch(() => null);
  return databases?.some(({ name }) => name === DOWNLOADS_DATABASE) ?? true;
}
