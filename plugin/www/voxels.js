// Volumes and planes: voxels come from the server, are kept, and are drawn here. Playing goes through memory.
import { Memory } from "./memory.js";
import { Stage, TOP } from "./stage.js";
import { round, store } from "./store.js";

const MOST_BYTES = 512 * 2 ** 20; // of voxels in memory
const FRAMES = [24, 120]; // of a played range, at least and at most; fewer than all where memory has no room for them
const SECONDS = 5; // that a played range takes
const AT_ONCE = 2; // frames that are asked for at a time
const SLOW = 5000; // ms after which the page says that it waits
const BARS = 82; // of the histogram
const COUNTED = 100000; // voxels of the histogram, at most
const CLEAR = [[0, 0], [1, 0]]; // opacities of a volume that is not shown, though its isosurface may be

// outlive the component, which trame's client replaces when the server goes
let stage = null;
let memory = null;
let drawn = null; // {codes, light}

export const Voxels = {
  // gone: whether trame's client lost the server
  props: { description: Object, gone: Boolean, time: Object },
  inject: ["trame"],
  data: () => ({ store, busy: false, dirty: false }),
  computed: {
    field() {
      return this.description.fields.find((field) => field.name === store.field);
    },
    look() {
      return store.fields[store.field];
    },
  },
  mounted() {
    memory = memory ?? new Memory(null, MOST_BYTES);
    memory.ask = (what, ...values) => this.trame.trigger(what, values);
    if (!document.createElement("canvas").getContext("webgl2")) {
      store.error = "This browser has no WebGL 2, which volumes are drawn with; allow it, or use another browser.";
      return;
    }
    if (!stage) {
      stage = new Stage(this.description);
      // of this box, not of another model's that was served here before
      if (store.camera?.box === this.box()) stage.camera(store.camera.camera);
      window.hyperinr_viewer.stage = stage;
      window.hyperinr_viewer.memory = memory;
    }
    stage.attach(this.$refs.frame);
    this.watcher = new ResizeObserver(() => stage.resize());
    this.watcher.observe(this.$refs.frame);
    this.$watch(() => [this.look, store.view, store.shown, store.slices], this.redraw, { deep: true });
    this.$watch(() => this.wish(), (wish, old) => JSON.stringify(wish) !== JSON.stringify(old) && this.request());
    this.$watch(() => [this.look?.low, this.look?.high], this.count);
    if (store.playing) this.start(); // from memory, when the server has gone meanwhile
    this.request();
  },
  unmounted() {
    this.watcher?.disconnect();
    stage?.animate(null);
  },
  methods: {
    code(value) {
      const [low, high] = this.field.range;
      return 1 + ((value - low) / (high - low)) * (TOP - 1);
    },
    // what is asked for: at the sliders' values, or at another time
    wish(time = null) {
      const values = { ...store.sliders };
      if (time !== null) values[this.time.name] = time;
      return { values, field: store.field, light: this.light() };
    },
    // what casts a shadow, where there is one
    light() {
      const { light: kind, density } = store.view;
      if (!["shadow", "occlusion"].includes(kind)) return null;
      const { azimuth, elevation } = kind === "shadow" ? store.view : { azimuth: 0, elevation: 0 };
      const { low, high, opacities } = this.look;
      return { kind, azimuth, elevation, density, low, high, opacities: opacities.map((point) => [...point]) };
    },
    // one request at a time: what changes meanwhile is asked for when the answer is there
    async request() {
      if (store.playing) return;
      if (this.busy) {
        this.dirty = true;
        return;
      }
      this.busy = true;
      do {
        this.dirty = false;
        await this.answered();
      } while (this.dirty && !store.playing);
      this.busy = false;
    },
    async answered() {
      const begun = performance.now();
      const wish = this.wish();
      const timer = setTimeout(() => (store.waiting = true), SLOW);
      try {
        const kept = memory.at(wish);
        if (!kept && this.gone) return;
        const found = kept ?? (await memory.get(wish));
        store.server = kept ? 0 : found.milliseconds;
        store.error = "";
        await this.put(found);
        store.whole = performance.now() - begun;
      } catch (problem) {
        store.error = problem.told ?? "The server failed at this; what it says in its terminal tells why.";
      }
      clearTimeout(timer);
      store.waiting = false;
    },
    // show voxels, and what there is of each value
    put(found) {
      if (found.codes !== drawn?.codes || found.light !== drawn?.light) stage.put(found);
      drawn = found;
      this.count();
      return this.redraw();
    },
    redraw() {
      if (!drawn) return;
      const { colors, opacities, low, high, level } = this.look;
      const { shown, view } = store;
      const dims = this.description.grid.dims;
      const opaque = shown.volume ? opacities : CLEAR;
      stage.paint(this.description.colors[colors], opaque, this.code(low), this.code(high), view.density);
      stage.show({
        volume: shown.volume,
        level: shown.surface ? (level - low) / (high - low || 1) : null,
        slices: ["x", "y", "z"].map((axis, i) => (shown[axis] ? Math.round(store.slices[axis] * (dims[i] - 1)) : null)),
        shaded: view.light === "camera",
      });
      return store.playing ? null : stage.render();
    },
    // how many voxels there are of each value between the colours' ends, of a part of them
    count() {
      if (!drawn || this.description.kind === "plane") return;
      const [low, high] = [this.code(this.look.low), this.code(this.look.high)];
      const bars = new Array(BARS).fill(0);
      const stride = Math.max(1, Math.floor(drawn.codes.length / COUNTED)) | 1; // odd: not along an axis
      for (let i = 0; i < drawn.codes.length; i += stride) {
        const bar = Math.floor(((drawn.codes[i] - low) / (high - low)) * BARS);
        if (bar >= 0 && bar < BARS && drawn.codes[i]) bars[bar]++;
      }
      store.histogram = bars;
    },
    // Times of the played range: as many as memory has room for.
    times() {
      const [low, high] = store.range ?? [this.time.min, this.time.max];
      const bytes = drawn.codes.length * (this.light() ? 3 : 2);
      const n = Math.min(Math.max(Math.floor((0.9 * MOST_BYTES) / bytes), FRAMES[0]), FRAMES[1]);
      return Array.from({ length: n + 1 }, (_, k) => round(this.time, low + ((high - low) * k) / n));
    },
    play() {
      if (store.playing) return this.stop();
      if (!drawn) return;
      store.playing = true;
      this.start();
    },
    // from the frame that the slider is nearest to
    start() {
      const [low, high] = store.range ?? [this.time.min, this.time.max];
      const times = this.times();
      this.at = Math.round(((store.sliders[this.time.name] - low) / (high - low || 1)) * (times.length - 1));
      this.at = Math.min(Math.max(this.at, 0), times.length - 1);
      this.since = performance.now();
      stage.animate(() => this.frame());
      this.bake();
    },
    stop() {
      store.playing = false;
      stage.animate(null);
      this.request();
    },
    // fetch what is not in memory of the played range, from where it stands; all of it once more when something changes
    async bake() {
      while (store.playing) {
        const times = this.times();
        const ahead = times.map((_, k) => times[(this.at + k) % times.length]).map((time) => this.wish(time));
        const missing = ahead.filter((wish) => !memory.at(wish));
        store.progress = { done: times.length - missing.length, all: times.length, bytes: memory.bytes };
        try {
          if (missing.length && !this.gone) await Promise.all(missing.slice(0, AT_ONCE).map((wish) => memory.get(wish)));
          else await new Promise((later) => setTimeout(later, 100));
        } catch (problem) {
          store.error = problem.told ?? "The server failed at this; what it says in its terminal tells why.";
          return this.stop();
        }
      }
    },
    // the frame that it is time for; one that is not there yet is waited for, unless no server is left to send it
    frame() {
      const times = this.times();
      const pace = (1000 * SECONDS) / times.length;
      let steps = Math.floor((performance.now() - this.since) / pace);
      if (!steps) return;
      this.since += steps * pace;
      let found = null;
      for (let k = 1; k <= times.length && steps; k++) {
        const index = (this.at + k) % times.length;
        const next = memory.at(this.wish(times[index]));
        if (!next && !this.gone) break;
        if (!next) continue;
        [found, this.next] = [next, index];
        steps--;
      }
      if (!found) return;
      this.at = this.next;
      store.sliders[this.time.name] = times[this.at];
      this.put(found);
    },
    reset(axis) {
      stage.reset(axis);
      stage.resize();
    },
    // for the page that is loaded next
    keep() {
      store.camera = stage && { box: this.box(), camera: stage.camera() };
    },
    box() {
      return JSON.stringify(this.description.grid);
    },
  },
  template: `<div class="frame" id="stage" ref="frame" role="img" aria-label="the model at the sliders' values"></div>`,
};
