// The page of `hyperinr view`: what is drawn, and beside it what can be chosen. The server answers each request by itself.
import { ColorBar, OpacityEditor, Slider } from "./controls.js";
import { Picture } from "./picture.js";
import { css, keep, round, store, take } from "./store.js";
import { Voxels } from "./voxels.js";

const RETRY = 1000; // ms between looks whether a server is there again

const Viewer = {
  components: { ColorBar, OpacityEditor, Picture, Slider, Voxels },
  // gone: whether trame's client lost the server
  props: { description: Object, gone: Boolean },
  data: () => ({ store }),
  computed: {
    drawn() {
      return ["volume", "plane"].includes(this.description.kind) ? "Voxels" : "Picture";
    },
    field() {
      return this.description.fields.find((field) => field.name === store.field);
    },
    look() {
      return store.fields[store.field];
    },
    // what is chosen of a field beside its opacities and its isosurface
    plain() {
      return this.field.items.filter((item) => !item.points && item.name !== "level");
    },
    level() {
      return this.field.items.find((item) => item.name === "level");
    },
    time() {
      return this.description.sliders.find((item) => item.role === "time");
    },
    // the light's place counts for a shadow alone
    view() {
      const placed = (item) => ["azimuth", "elevation"].includes(item.name);
      return this.description.view.filter((item) => !placed(item) || store.view.light === "shadow");
    },
    // along the axes, in the data's own coordinates where the axes are those of space
    axes() {
      const { dims, origin, spacing, axes } = this.description.grid;
      return ["x", "y", "z"].map((name, i) => {
        const along = axes[4 * i];
        const straight = Math.abs(Math.abs(along) - 1) < 1e-6;
        const ends = [0, (dims[i] - 1) * spacing[i]].map((way) => (straight ? origin[i] + along * way : way));
        return { name, label: name, min: Math.min(...ends), max: Math.max(...ends), turned: ends[0] > ends[1] };
      });
    },
    message() {
      if (this.gone) {
        return "The server is gone; the page goes on by itself when `hyperinr view` runs again at this address.";
      }
      if (store.error) return store.error;
      return store.waiting ? "The server has not answered for 5 seconds; the page waits." : "";
    },
    // what is done of a picture by paths of light
    traced() {
      const { share } = store.cinematic ?? { share: 1 };
      return share < 1 ? `cinematic ${Math.floor(100 * share)} %` : "cinematic";
    },
    // without what says that it is a file
    title() {
      return this.description.title.replace(/\.hinr$/, "");
    },
    progress() {
      const { done, all, bytes } = store.progress;
      return `${done} of ${all} frames in memory, ${Math.round(bytes / 2 ** 20)} MiB`;
    },
  },
  created() {
    take(this.description);
    const { min, max } = this.time ?? {};
    if (store.range && !(store.range[0] >= min && store.range[1] <= max)) store.range = null; // another model's
    for (const axis of ["x", "y", "z"]) store.slices[axis] ??= 0.5;
  },
  mounted() {
    if (this.gone) this.timer = setInterval(this.reconnect, RETRY);
  },
  unmounted() {
    clearInterval(this.timer);
  },
  methods: {
    css,
    // a server that is there again may serve another model, by another version of this page: all of it is loaded anew
    async reconnect() {
      try {
        if (!(await fetch(location.href, { cache: "no-store" })).ok) return;
      } catch {
        return; // not yet
      }
      clearInterval(this.timer);
      this.$refs.drawn.keep?.();
      keep();
      location.reload();
    },
    // where a slice lies, from the share of its axis, and back
    place({ name, min, max, turned }) {
      const share = store.slices[name];
      return round({ min, max }, min + (max - min) * (turned ? 1 - share : share));
    },
    slice({ name, min, max, turned }, value) {
      const share = (value - min) / (max - min || 1);
      store.slices[name] = turned ? 1 - share : share;
    },
    limit(end, event) {
      const { min, max } = this.time;
      const range = store.range ? [...store.range] : [min, max];
      const value = event.target.value === "" ? NaN : Number(event.target.value);
      if (Number.isFinite(value)) range[end] = Math.min(Math.max(value, min), max);
      store.range = range.sort((a, b) => a - b);
      event.target.value = store.range[end];
    },
  },
  template: `
    <main class="hyperinr" :class="description.kind">
      <figure :style="{ background: css(description.background) }">
        <p v-if="message" id="error" role="alert">{{ message }}</p>
        <component :is="drawn" ref="drawn" :description="description" :gone="gone" :time="time"></component>
        <nav v-if="drawn === 'Voxels'" aria-label="camera">
          <button type="button" id="reset" title="all in view, from where it began" @click="$refs.drawn.reset()">reset</button>
          <template v-if="description.kind === 'volume'">
            <button v-for="(axis, i) in ['x', 'y', 'z']" type="button" :id="'along-' + axis" :title="'look along ' + axis"
                    @click="$refs.drawn.reset(i)">{{ axis }}</button>
            <button type="button" id="cinematic" :aria-pressed="!!store.cinematic" :disabled="gone || !store.shown.volume"
                    title="a picture of the volume by paths of light, which the server takes; once more ends it"
                    @click="$refs.drawn.cinematic()">{{ traced }}</button>
            <a v-if="store.cinematic?.share === 1" id="save" :href="store.cinematic.url" :download="title + '.png'"
               title="save the picture as a PNG file">save</a>
          </template>
        </nav>
        <ColorBar v-if="field" :field="field" :colors="description.colors[look.colors]" :low="look.low" :high="look.high">
        </ColorBar>
      </figure>
      <form @submit.prevent>
        <h1>{{ description.title }}</h1>
        <section v-if="description.sliders.length">
          <Slider v-for="item in description.sliders" :key="item.name" :id="'slider-' + item.name" :item="item"
                  :value="store.sliders[item.name]" @set="store.sliders[item.name] = $event">
            <button v-if="item === time" type="button" id="play" :disabled="gone && drawn === 'Picture'"
                    @click="$refs.drawn.play()">{{ store.playing ? "Stop" : "Play" }}</button>
            <template v-if="item === time && drawn === 'Voxels'" #below>
              <div id="range">plays
                <input v-for="end in [0, 1]" class="number" type="number" step="any" :id="'range-' + end"
                       :aria-label="['first', 'last'][end] + ' ' + item.label + ' that is played'"
                       :value="store.range ? store.range[end] : [item.min, item.max][end]" @change="limit(end, $event)">
              </div>
              <div v-if="store.progress" id="progress" :title="progress">
                <i :style="{ width: (100 * store.progress.done) / store.progress.all + '%' }"></i><span>{{ progress }}</span>
              </div>
            </template>
          </Slider>
        </section>
        <section v-if="field">
          <label class="choice">field
            <select v-if="description.fields.length > 1" id="field" v-model="store.field">
              <option v-for="{ name, label } in description.fields" :key="name" :value="name">{{ label }}</option>
            </select>
            <output v-else>{{ field.label }}</output>
          </label>
          <template v-for="item in plain" :key="item.name">
            <label v-if="item.choices" class="choice">{{ item.label }}
              <select :id="'look-' + item.name" v-model="look[item.name]">
                <option v-for="choice in item.choices" :key="choice">{{ choice }}</option>
              </select>
            </label>
            <Slider v-else :id="'look-' + item.name" :item="item" :value="look[item.name]" @set="look[item.name] = $event">
            </Slider>
          </template>
          <OpacityEditor v-if="look.opacities" :points="look.opacities" :colors="description.colors[look.colors]"
                         :histogram="store.histogram" @set="look.opacities = $event"
                         @reset="look.opacities = field.items.find((item) => item.points).points"></OpacityEditor>
        </section>
        <section v-if="description.kind === 'volume'">
          <div class="checks">
            <span>show</span>
            <label><input type="checkbox" id="show-volume" v-model="store.shown.volume"> volume</label>
            <label class="wide"><input type="checkbox" id="show-surface" v-model="store.shown.surface"> isosurface</label>
            <span>slices</span>
            <label v-for="{ name } in axes"><input type="checkbox" :id="'show-' + name" v-model="store.shown[name]">
              {{ name }}</label>
          </div>
          <Slider v-if="store.shown.surface" id="look-level" :item="level" :value="look.level"
                  @set="look.level = $event"></Slider>
          <template v-for="item in axes" :key="item.name">
            <Slider v-if="store.shown[item.name]" :id="'slice-' + item.name" :item="item" :value="place(item)"
                    @set="slice(item, $event)"></Slider>
          </template>
        </section>
        <section v-if="view.length">
          <template v-for="item in view" :key="item.name">
            <label v-if="item.choices" class="choice">{{ item.label }}
              <select :id="'look-' + item.name" v-model="store.view[item.name]">
                <option v-for="choice in item.choices" :key="choice">{{ choice }}</option>
              </select>
            </label>
            <Slider v-else :id="'look-' + item.name" :item="item" :value="store.view[item.name]"
                    @set="store.view[item.name] = $event"></Slider>
          </template>
        </section>
        <p id="latency" :data-server="store.server">
          {{ store.server.toFixed(0) }} ms on the server, {{ store.whole.toFixed(0) }} ms until it was drawn
        </p>
      </form>
    </main>`,
};

window.hyperinr_viewer = { store, install: (app) => app.component("hyperinr-viewer", Viewer) };
