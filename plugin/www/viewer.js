// The page of `hyperinr view`: sliders and a picture. What they stand at lives here, in the browser, so that any number of
// browsers can look at one model; the server answers each request by itself.
window.hyperinr_viewer = {
  install(app) {
    app.component("hyperinr-viewer", {
      props: ["description"],
      inject: ["trame"],
      data() {
        const start = (items) => Object.fromEntries(items.map((item) => [item.name, item.value]));
        return {
          values: start(this.description.sliders),
          look: start(this.description.look),
          picture: "",
          error: "",
          server: 0,
          whole: 0,
          busy: false,
          dirty: false,
          drag: null,
          playing: false,
        };
      },
      computed: {
        turns() {
          return this.description.kind === "volume";
        },
      },
      mounted() {
        this.request();
      },
      methods: {
        label(value) {
          return Number(value).toPrecision(4).replace(/\.?0+$/, "");
        },
        // one request at a time: what changes meanwhile is asked for when the answer is there
        async request() {
          if (this.busy) {
            this.dirty = true;
            return;
          }
          this.busy = true;
          this.dirty = false;
          const begun = performance.now();
          try {
            const answer = await this.trame.trigger("render", [{ ...this.values }, { ...this.look }]);
            this.error = answer.error || "";
            if (answer.picture) {
              await this.show(answer.picture);
              this.server = answer.milliseconds;
              this.whole = performance.now() - begun;
            }
          } catch (problem) {
            this.error = "the server does not answer; start `hyperinr view` again and reload this page";
          }
          this.busy = false;
          if (this.dirty) this.request();
          else if (this.playing) this.step();
        },
        async show(url) {
          const image = new Image();
          image.src = url;
          await image.decode();
          this.picture = url;
          await this.$nextTick();
        },
        set(group, item, value) {
          group[item.name] = item.choices ? value : Number(value);
          this.request();
        },
        step() {
          const time = this.description.sliders.find((item) => item.role === "time");
          const next = this.values[time.name] + (time.max - time.min) / 100;
          this.values[time.name] = next > time.max ? time.min : next;
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
        turn(azimuth, elevation) {
          const names = this.description.turned;
          const places = [...this.description.sliders, ...this.description.look];
          for (const [name, by] of [[names[0], azimuth], [names[1], names[2] * elevation]]) {
            const item = places.find((place) => place.name === name);
            const group = name in this.values ? this.values : this.look;
            let value = group[name] + by;
            const span = item.max - item.min;
            if (name === names[0] && span === 360) value = item.min + ((((value - item.min) % 360) + 360) % 360);
            group[name] = Math.min(Math.max(value, item.min), item.max);
          }
          this.request();
        },
      },
      template: `
        <main class="hyperinr">
          <figure>
            <img id="picture" :src="picture" :class="{ smooth: description.kind === 'picture' }" draggable="false"
                 alt="the model at the sliders' values" :style="{ cursor: description.turned ? 'grab' : 'default' }"
                 @pointerdown="description.turned && grab($event)" @pointermove="move" @pointerup="drag = null">
            <figcaption>
              <span id="latency" :data-server="server">{{ server.toFixed(1) }} ms here, {{ whole.toFixed(1) }} ms with the
                way to this page</span>
              <span v-if="error" id="error">{{ error }}</span>
            </figcaption>
          </figure>
          <form @submit.prevent>
            <h1>{{ description.title }}</h1>
            <template v-for="[group, items] in [[values, description.sliders], [look, description.look]]">
              <label v-for="item in items" :key="item.name">
                <span>{{ item.label }}</span>
                <select v-if="item.choices" :id="item.name" :value="group[item.name]"
                        @change="set(group, item, $event.target.value)">
                  <option v-for="choice in item.choices" :key="choice">{{ choice }}</option>
                </select>
                <template v-else>
                  <input type="range" :id="item.name" :min="item.min" :max="item.max" step="any" :value="group[item.name]"
                         @input="set(group, item, $event.target.value)">
                  <output>{{ label(group[item.name]) }} {{ item.units }}</output>
                </template>
              </label>
              <hr v-if="items === description.sliders && description.look.length">
            </template>
            <button v-if="description.sliders.some((item) => item.role === 'time')" type="button" id="play" @click="play">
              {{ playing ? "Stop" : "Play" }}
            </button>
          </form>
        </main>`,
    });
  },
};
