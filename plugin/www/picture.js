// A picture that the server draws: of a model of pictures, or of a radiance field.
import { round, store } from "./store.js";

const LONGEST = 1024; // pixels of a picture's side
const QUICK = 40; // ms that a picture may take while it is dragged
const SLOW = 5000; // ms after which the page says that it waits

export const Picture = {
  // gone: whether trame's client lost the server
  props: { description: Object, gone: Boolean, time: Object },
  inject: ["trame"],
  data: () => ({ store, busy: false, dirty: false, drag: null, size: null, share: 0.5 }),
  mounted() {
    this.watcher = new ResizeObserver(this.measure);
    this.watcher.observe(this.$refs.frame);
    this.measure();
    this.$watch(() => [store.sliders, store.view], () => this.request(), { deep: true });
    this.request();
  },
  unmounted() {
    this.watcher.disconnect();
    store.playing = false;
  },
  methods: {
    // pixels that the window has for the picture, in steps, so that dragging the window's edge asks for few
    measure() {
      const { clientWidth, clientHeight } = this.$refs.frame;
      const scale = Math.min(window.devicePixelRatio || 1, LONGEST / Math.max(clientWidth, clientHeight, 1));
      const size = [clientWidth, clientHeight].map((side) => 32 * Math.ceil((side * scale) / 32));
      if (String(size) === String(this.size)) return;
      const first = !this.size;
      this.size = size;
      if (!first && this.description.kind === "radiance") this.request();
    },
    // of a radiance field, which takes long by its pixels, fewer while the mouse turns it
    pixels() {
      const coarse = this.drag && this.description.kind === "radiance";
      return coarse ? this.size.map((side) => Math.max(32, Math.round(side * this.share))) : this.size;
    },
    // the share of a side's pixels that draws as fast as a hand moves, by what the last picture took
    pace(milliseconds, size) {
      const now = size[0] / this.size[0];
      this.share = Math.min(1, Math.max(0.2, now * Math.sqrt(QUICK / Math.max(milliseconds, 1))));
    },
    // one request at a time: what changes meanwhile is asked for when the answer is there
    async request() {
      if (this.gone) return;
      if (this.busy) {
        this.dirty = true;
        return;
      }
      this.busy = true;
      this.dirty = false;
      const begun = performance.now();
      const timer = setTimeout(() => (store.waiting = true), SLOW);
      try {
        const size = this.pixels();
        const answer = await this.trame.trigger("render", [{ ...store.sliders }, { ...store.view }, size]);
        if (answer.picture) {
          await this.show(answer.picture);
          store.server = answer.milliseconds;
          this.pace(answer.milliseconds, size);
          store.whole = performance.now() - begun;
        }
        store.error = answer.error || "";
      } catch (problem) {
        store.error = "The server failed at this picture; what it says in its terminal tells why.";
      }
      clearTimeout(timer);
      store.waiting = false;
      this.busy = false;
      if (this.dirty) this.request();
      else if (store.playing) this.step();
    },
    async show(url) {
      const image = new Image();
      image.src = url;
      await image.decode();
      store.picture = url;
      await this.$nextTick();
    },
    step() {
      const { name, min, max } = this.time;
      const next = store.sliders[name] + (max - min) / 100;
      store.sliders[name] = next > max ? min : round(this.time, next);
    },
    play() {
      store.playing = !store.playing;
      if (store.playing) this.step();
    },
    grab(event) {
      this.drag = [event.clientX, event.clientY];
      event.target.setPointerCapture(event.pointerId);
    },
    move(event) {
      if (!this.drag) return;
      const [x, y] = [event.clientX - this.drag[0], event.clientY - this.drag[1]];
      this.drag = [event.clientX, event.clientY];
      this.turn(-x / 2, y / 2);
    },
    release() {
      const turned = this.drag && this.description.kind === "radiance";
      this.drag = null;
      if (turned) this.request(); // in full, at rest
    },
    turn(azimuth, elevation) {
      const [first, second, sign] = this.description.turned;
      const item = (name) => this.description.sliders.find((candidate) => candidate.name === name);
      const { min, max } = item(first);
      const turned = store.sliders[first] + azimuth;
      const around = min + ((((turned - min) % 360) + 360) % 360);
      store.sliders[first] = round(item(first), max - min === 360 ? around : turned);
      store.sliders[second] = round(item(second), store.sliders[second] + sign * elevation);
    },
    zoom(event) {
      const item = this.description.view.find((candidate) => candidate.name === "zoom");
      if (!item) return;
      event.preventDefault();
      store.view.zoom = round(item, store.view.zoom * 2 ** (-event.deltaY / 400));
    },
  },
  template: `
    <div class="frame" ref="frame">
      <img id="picture" :src="store.picture" draggable="false" alt="the model at the sliders' values"
           :style="{ cursor: description.turned ? 'grab' : 'default' }" @wheel="zoom"
           @pointerdown="description.turned && grab($event)" @pointermove="move" @pointerup="release"
           @pointercancel="release">
    </div>`,
};
