// The page of `hyperinr view`: sliders and a picture. What they stand at lives here, in the browser, so that any number
// of browsers can look at one model; the server answers each request by itself.
(() => {
  // what the user chose, and the last picture; outlives the component, which trame's client replaces when the server goes
  const store = Vue.reactive({
    sliders: {},
    fields: {},
    view: {},
    field: "",
    picture: "",
    error: "",
    server: 0,
    whole: 0,
    ...kept(),
  });

  const RETRY = 1000; // ms between looks whether a server is there again
  const SLOW = 5000; // ms after which the page says that it waits
  const LONGEST = 1024; // pixels of a picture's side
  const QUICK = 40; // ms that a picture may take while it is dragged

  // what `keep` left for the page that is loaded next, once
  function kept() {
    const text = sessionStorage.getItem(location.pathname);
    sessionStorage.removeItem(location.pathname);
    return JSON.parse(text || "{}");
  }

  // with the picture unless it is too large to be kept
  function keep() {
    for (const picture of [store.picture, ""]) {
      try {
        return sessionStorage.setItem(location.pathname, JSON.stringify({ ...store, picture, error: "" }));
      } catch {
        continue;
      }
    }
  }

  // values of items: the user's where they still are some, else those to start with
  function merged(items, old = {}) {
    const value = (item) => {
      if (item.choices) return item.choices.includes(old[item.name]) ? old[item.name] : item.value;
      return Number.isFinite(old[item.name]) ? fitting(item, old[item.name]) : round(item, item.value);
    };
    return Object.fromEntries(items.map((item) => [item.name, value(item)]));
  }

  // to a ten-thousandth of a slider's length or finer: what stands beside it is exactly what is drawn
  function round(item, value) {
    const unit = 10 ** (Math.floor(Math.log10(item.max - item.min || 1)) - 4);
    return clamp(item, Number((Math.round(value / unit) * unit).toPrecision(12)));
  }

  const css = (rgb) => "rgb(" + rgb.map((channel) => Math.round(255 * channel)) + ")";

  const clamp = (item, value) => Math.min(Math.max(value, item.min), item.max);

  // the ends of colours may go beyond their sliders
  const fitting = (item, value) => (item.open ? value : clamp(item, value));

  function label(value) {
    const size = Math.abs(value);
    const short = size && (size < 1e-3 || size >= 1e5);
    const text = short ? value.toExponential(2).replace(/\.?0+e\+?/, "e") : String(Number(value.toPrecision(4)));
    return text.replaceAll("-", "−");
  }

  // round numbers inside a range, about four
  function niceTicks(low, high) {
    const span = high - low;
    const decade = 10 ** Math.floor(Math.log10(span / 4));
    const step = [1, 2, 5, 10].map((factor) => factor * decade).find((candidate) => span / candidate <= 5);
    const ticks = Array.from({ length: 7 }, (_, k) => Number(((Math.ceil(low / step) + k) * step).toPrecision(12)));
    return ticks.filter((tick) => tick <= high);
  }

  const Slider = {
    props: { item: Object, value: Number, id: String },
    emits: ["set"],
    computed: {
      // marks in percent, none nearer to the one before than a few pixels
      marks() {
        const kept = [];
        for (const mark of this.item.marks || []) {
          const at = (100 * (mark - this.item.min)) / (this.item.max - this.item.min || 1);
          if (!kept.length || at - kept[kept.length - 1] > 1.6) kept.push(at);
        }
        return kept;
      },
    },
    methods: {
      slide(event) {
        this.$emit("set", round(this.item, Number(event.target.value)));
      },
      type(event) {
        const value = event.target.value === "" ? NaN : Number(event.target.value);
        const taken = Number.isFinite(value) ? fitting(this.item, value) : this.value;
        event.target.value = taken;
        if (taken !== this.value) this.$emit("set", taken);
      },
    },
    template: `
      <div class="slider">
        <label :for="id">{{ item.label }} <span v-if="item.units" class="units">[{{ item.units }}]</span></label>
        <slot></slot>
        <input class="number" type="number" step="any" :id="id + '-number'" :aria-label="item.label + ', a number'"
               :value="value" @change="type">
        <input type="range" :id="id" :min="item.min" :max="item.max" step="any" :value="value" @input="slide">
        <div v-if="marks.length" class="marks" title="values that the model was trained on">
          <i v-for="at in marks" :key="at" :style="{ left: at + '%' }"></i>
        </div>
      </div>`,
  };

  const ColorBar = {
    props: ["field", "colors", "low", "high"],
    computed: {
      gradient() {
        const stops = this.colors.map(([x, ...rgb]) => css(rgb) + " " + 100 * x + "%");
        return { background: "linear-gradient(to right, " + stops + ")" };
      },
      // the ends, and round numbers that leave the ends' room
      ticks() {
        const ends = [[0, this.low], [100, this.high]];
        if (!(this.high > this.low)) return ends;
        const place = (value) => [(100 * (value - this.low)) / (this.high - this.low), value];
        const inner = niceTicks(this.low, this.high).map(place);
        return [ends[0], ...inner.filter(([at]) => at > 13 && at < 87), ends[1]];
      },
    },
    methods: { label },
    template: `
      <div id="colorbar">
        <div class="name">{{ field.label }}<span v-if="field.units" class="units"> [{{ field.units }}]</span></div>
        <div class="bar" :style="gradient"></div>
        <div class="ticks">
          <span v-for="[at, value] in ticks" :key="at" :style="{ left: at + '%' }">{{ label(value) }}</span>
        </div>
      </div>`,
  };

  const Viewer = {
    components: { Slider, ColorBar },
    // gone: whether trame's client lost the server
    props: { description: Object, gone: Boolean },
    inject: ["trame"],
    data: () => ({ store, busy: false, dirty: false, slow: false, drag: null, playing: false, size: null, share: 0.5 }),
    computed: {
      field() {
        return this.description.fields.find((field) => field.name === this.store.field);
      },
      fieldLook() {
        return this.store.fields[this.store.field];
      },
      time() {
        return this.description.sliders.find((item) => item.role === "time");
      },
      message() {
        if (this.gone) {
          return "The server is gone; the page goes on by itself when `hyperinr view` runs again at this address.";
        }
        if (this.store.error) return this.store.error;
        return this.slow ? "The server has not answered for " + SLOW / 1000 + " seconds; the page waits." : "";
      },
    },
    created() {
      this.take(this.description);
    },
    mounted() {
      this.watcher = new ResizeObserver(this.measure);
      this.watcher.observe(this.$refs.frame);
      this.measure();
      if (this.gone) this.timer = setInterval(this.reconnect, RETRY);
      else this.request();
    },
    unmounted() {
      this.watcher.disconnect();
      clearInterval(this.timer);
      this.playing = false;
    },
    methods: {
      css,
      // what the user chose stays where the model that is served now has it
      take({ sliders, fields, view }) {
        store.sliders = merged(sliders, store.sliders);
        store.view = merged(view, store.view);
        const look = (field) => [field.name, merged(field.items, store.fields[field.name])];
        store.fields = Object.fromEntries(fields.map(look));
        if (fields.length && !store.fields[store.field]) store.field = fields[0].name;
      },
      // a server that is there again may serve another model, by another version of this page: all of it is loaded anew
      async reconnect() {
        try {
          if (!(await fetch(location.href, { cache: "no-store" })).ok) return;
        } catch {
          return; // not yet
        }
        clearInterval(this.timer);
        keep();
        location.reload();
      },
      // pixels that the window has for the picture, in steps, so that dragging the window's edge asks for few
      measure() {
        const { clientWidth, clientHeight } = this.$refs.frame;
        const scale = Math.min(window.devicePixelRatio || 1, LONGEST / Math.max(clientWidth, clientHeight, 1));
        const size = [clientWidth, clientHeight].map((side) => 32 * Math.ceil((side * scale) / 32));
        if (String(size) === String(this.size)) return;
        const first = !this.size;
        this.size = size;
        if (!first && ["volume", "radiance"].includes(this.description.kind)) this.request();
      },
      look() {
        return { ...(this.field && { field: store.field }), ...this.fieldLook, ...store.view };
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
        const timer = setTimeout(() => (this.slow = true), SLOW);
        try {
          const size = this.pixels();
          const answer = await this.trame.trigger("render", [{ ...store.sliders }, this.look(), size]);
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
        this.slow = false;
        this.busy = false;
        if (this.dirty) this.request();
        else if (this.playing) this.step();
      },
      async show(url) {
        const image = new Image();
        image.src = url;
        await image.decode();
        store.picture = url;
        await this.$nextTick();
      },
      set(group, item, value) {
        group[item.name] = value;
        this.request();
      },
      choose(name) {
        store.field = name;
        this.request();
      },
      step() {
        const { name, min, max } = this.time;
        const next = store.sliders[name] + (max - min) / 100;
        store.sliders[name] = next > max ? min : round(this.time, next);
        this.request();
      },
      play() {
        this.playing = !this.playing;
        if (this.playing) this.step();
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
        const [where, first, second, sign] = this.description.turned;
        const item = (name) => this.description[where].find((candidate) => candidate.name === name);
        const by = (name, degrees) => store[where][name] + degrees;
        const { min, max } = item(first);
        const turned = by(first, azimuth);
        const around = min + ((((turned - min) % 360) + 360) % 360);
        store[where][first] = round(item(first), max - min === 360 ? around : turned);
        store[where][second] = round(item(second), by(second, sign * elevation));
        this.request();
      },
      zoom(event) {
        const item = this.description.view.find((candidate) => candidate.name === "zoom");
        if (!item) return;
        event.preventDefault();
        this.set(store.view, item, round(item, store.view.zoom * 2 ** (-event.deltaY / 400)));
      },
    },
    template: `
      <main class="hyperinr" :class="description.kind">
        <figure :style="{ background: css(description.background) }">
          <p v-if="message" id="error" role="alert">{{ message }}</p>
          <div class="frame" ref="frame">
            <img id="picture" :src="store.picture" draggable="false" alt="the model at the sliders' values"
                 :style="{ cursor: description.turned ? 'grab' : 'default' }" @wheel="zoom"
                 @pointerdown="description.turned && grab($event)" @pointermove="move" @pointerup="release"
                 @pointercancel="release">
          </div>
          <ColorBar v-if="field" :field="field" :colors="description.colors[fieldLook.colors]" :low="fieldLook.low"
                    :high="fieldLook.high"></ColorBar>
        </figure>
        <form @submit.prevent>
          <h1>{{ description.title }}</h1>
          <section v-if="description.sliders.length">
            <Slider v-for="item in description.sliders" :key="item.name" :id="'slider-' + item.name" :item="item"
                    :value="store.sliders[item.name]" @set="set(store.sliders, item, $event)">
              <button v-if="item === time" type="button" id="play" :disabled="gone" @click="play">
                {{ playing ? "Stop" : "Play" }}
              </button>
            </Slider>
          </section>
          <section v-if="field">
            <label class="choice">field
              <select v-if="description.fields.length > 1" id="field" :value="store.field"
                      @change="choose($event.target.value)">
                <option v-for="{ name, label } in description.fields" :key="name" :value="name">{{ label }}</option>
              </select>
              <output v-else>{{ field.label }}</output>
            </label>
            <template v-for="item in field.items" :key="item.name">
              <label v-if="item.choices" class="choice">{{ item.label }}
                <select :id="'look-' + item.name" :value="fieldLook[item.name]"
                        @change="set(fieldLook, item, $event.target.value)">
                  <option v-for="choice in item.choices" :key="choice">{{ choice }}</option>
                </select>
              </label>
              <Slider v-else :id="'look-' + item.name" :item="item" :value="fieldLook[item.name]"
                      @set="set(fieldLook, item, $event)"></Slider>
            </template>
          </section>
          <section v-if="description.view.length">
            <Slider v-for="item in description.view" :key="item.name" :id="'look-' + item.name" :item="item"
                    :value="store.view[item.name]" @set="set(store.view, item, $event)"></Slider>
          </section>
          <p id="latency" :data-server="store.server">
            {{ store.server.toFixed(0) }} ms drawing, {{ store.whole.toFixed(0) }} ms with the way to this page
          </p>
        </form>
      </main>`,
  };

  window.hyperinr_viewer = { store, install: (app) => app.component("hyperinr-viewer", Viewer) };
})();
