// packer_worker.ts: the packer's worker of Node: the browser's, in a scope that looks like one (dist/node/packer_worker.js).
import "./worker_scope.js";
import "../packer_worker.js";
