// look_module.ts: looking inside a model is a script of its own, tercet-look.mjs, which the worker fetches when somebody asks for
// map() or onLayerTimes: nobody else downloads it.
export { LayerTimer } from "./layer_timer.js";
export { mapModel } from "./model_map.js";
