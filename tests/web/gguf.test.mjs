// gguf.test.mjs - GGUF files in a real browser, all in one: load() packs them in the page, stores the packed model and never packs it
// again; downloads go on where they were cut, and nothing is left over. Each of the files runs by itself as well (node --test FILE).
// The module by itself is tests/wasm/packer.test.mjs.

import "./gguf_packing.mjs";
import "./gguf_kept.mjs";
import "./gguf_downloads.mjs";
import "./gguf_room.mjs";
import "./gguf_tabs.mjs";
