// A slider with its number and marks, the colour bar, and the editor of opacities over a histogram.
import { fitting, gradient, label, niceTicks, round } from "./store.js";

export const Slider = {
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
      <label :for="id"><slot name="label">
        {{ item.label }} <span v-if="item.units" class="units">[{{ item.units }}]</span>
      </slot></label>
      <slot></slot>
      <input class="number" type="number" step="any" :id="id + '-number'" :aria-label="item.label + ', a number'"
             :value="value" @change="type">
      <input type="range" :id="id" :min="item.min" :max="item.max" step="any" :value="value" @input="slide">
      <div v-if="marks.length" class="marks" title="values that the model was trained on">
        <i v-for="at in marks" :key="at" :style="{ left: at + '%' }"></i>
      </div>
      <slot name="below"></slot>
    </div>`,
};

export const ColorBar = {
  props: ["field", "colors", "low", "high"],
  computed: {
    bar() {
      return { background: gradient(this.colors) };
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
      <div class="bar" :style="bar"></div>
      <div class="ticks">
        <span v-for="[at, value] in ticks" :key="at" :style="{ left: at + '%' }">{{ label(value) }}</span>
      </div>
    </div>`,
};

const [WIDTH, HEIGHT] = [246, 92];

const within = (value, low, high) => Math.min(Math.max(value, low), high);

// Opacity points (x, opacity) over the colours' range: drag one, click beside them for another, double-click removes one.
export const OpacityEditor = {
  props: { points: Array, colors: Array, histogram: Array },
  emits: ["set", "reset"],
  data: () => ({ held: -1, WIDTH, HEIGHT }),
  computed: {
    line() {
      return this.closed().map(([x, alpha]) => WIDTH * x + "," + HEIGHT * (1 - alpha)).join(" ");
    },
    // bars by the logarithm: a volume is mostly what is clear
    bars() {
      const most = Math.log1p(Math.max(...this.histogram, 1));
      const wide = WIDTH / this.histogram.length;
      return this.histogram.map((count, k) => ({ x: k * wide, wide, high: (HEIGHT * Math.log1p(count)) / most }));
    },
    stripe() {
      return { background: gradient(this.colors) };
    },
  },
  methods: {
    // the line goes on level to both ends
    closed() {
      const [first, last] = [this.points[0], this.points[this.points.length - 1]];
      return [[0, first[1]], ...this.points, [1, last[1]]];
    },
    place(event) {
      const box = this.$refs.box.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      return [within(x, 0, 1), within(1 - y, 0, 1)];
    },
    grab(index, event) {
      this.held = this.last = index;
      this.$refs.box.setPointerCapture(event.pointerId);
    },
    add(event) {
      const point = this.place(event);
      const after = this.points.findIndex(([x]) => x > point[0]);
      const index = after < 0 ? this.points.length : after;
      this.$emit("set", [...this.points.slice(0, index), point, ...this.points.slice(index)]);
      this.grab(index, event);
    },
    // between its neighbours
    move(event) {
      if (this.held < 0) return;
      const [x, alpha] = this.place(event);
      const [left, right] = [this.points[this.held - 1]?.[0] ?? 0, this.points[this.held + 1]?.[0] ?? 1];
      const point = [within(x, left, right), alpha].map((number) => Number(number.toFixed(4)));
      this.$emit("set", this.points.map((old, index) => (index === this.held ? point : old)));
    },
    // the one that was pressed last
    remove() {
      if (this.points.length > 2) this.$emit("set", this.points.filter((_, index) => index !== this.last));
    },
  },
  template: `
    <div id="opacities">
      <div class="caption"><span>opacity of each value</span>
        <button type="button" title="the opacities to start with" @click="$emit('reset')">reset</button></div>
      <div ref="box" class="box" role="group" aria-label="opacity points: drag one, click for another, double-click removes one"
           @pointerdown.self="add" @pointermove="move" @pointerup="held = -1" @pointercancel="held = -1"
           @dblclick="remove">
        <svg :viewBox="'0 0 ' + WIDTH + ' ' + HEIGHT" preserveAspectRatio="none">
          <rect v-for="bar in bars" :x="bar.x" :y="HEIGHT - bar.high" :width="bar.wide" :height="bar.high" />
          <polyline :points="line" />
        </svg>
        <i v-for="([x, alpha], index) in points" :style="{ left: 100 * x + '%', top: 100 * (1 - alpha) + '%' }"
           :class="{ held: index === held }" title="drag; double-click removes it"
           @pointerdown="grab(index, $event)"></i>
      </div>
      <div class="stripe" :style="stripe"></div>
    </div>`,
};
