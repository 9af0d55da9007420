// engine_worker.ts: the worker of Node: the browser's, in a scope that looks like one (dist/node/engine_worker.js).
import "./worker_scope.js";
import "../engine_worker.js";
