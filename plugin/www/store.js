// What the user chose, here in the browser, so that any number of browsers can look at one model; and what numbers look like.

// outlives the components, which trame's client replaces when the server goes; what is not chosen begins with nothing
export const store = Vue.reactive({
  sliders: {},
  fields: {},
  view: {},
  field: "",
  shown: { volume: true, surface: false, x: false, y: false, z: false },
  slices: {},
  range: null,
  camera: null,
  picture: "",
  error: "",
  server: 0,
  whole: 0,
  ...kept(),
  waiting: false,
  playing: false,
  histogram: [],
  progress: null,
});

// what `keep` left for the page that is loaded next, once
function kept() {
  const text = sessionStorage.getItem(location.pathname);
  sessionStorage.removeItem(location.pathname);
  return JSON.parse(text || "{}");
}

// with the picture unless it is too large to be kept
export function keep() {
  for (const picture of [store.picture, ""]) {
    try {
      return sessionStorage.setItem(location.pathname, JSON.stringify({ ...store, picture, error: "" }));
    } catch {
      continue;
    }
  }
}

// what the user chose stays where the model that is served now has it
export function take({ sliders, fields, view }) {
  store.sliders = merged(sliders, store.sliders);
  store.view = merged(view, store.view);
  store.fields = Object.fromEntries(fields.map((field) => [field.name, merged(field.items, store.fields[field.name])]));
  if (fields.length && !store.fields[store.field]) store.field = fields[0].name;
}

// values of items: the user's where they still are some, else those to start with
function merged(items, old = {}) {
  const value = (item) => {
    if (item.points) return old[item.name] ?? item.points;
    if (item.choices) return item.choices.includes(old[item.name]) ? old[item.name] : item.value;
    return Number.isFinite(old[item.name]) ? fitting(item, old[item.name]) : round(item, item.value);
  };
  return Object.fromEntries(items.map((item) => [item.name, value(item)]));
}

// to a ten-thousandth of a slider's length or finer: what stands beside it is exactly what is drawn
export function round(item, value) {
  const unit = 10 ** (Math.floor(Math.log10(item.max - item.min || 1)) - 4);
  return clamp(item, Number((Math.round(value / unit) * unit).toPrecision(12)));
}

export const clamp = (item, value) => Math.min(Math.max(value, item.min), item.max);

// the ends of colours may go beyond their sliders
export const fitting = (item, value) => (item.open ? value : clamp(item, value));

export const css = (rgb) => "rgb(" + rgb.map((channel) => Math.round(255 * channel)) + ")";

export const gradient = (colors) =>
  "linear-gradient(to right, " + colors.map(([x, ...rgb]) => css(rgb) + " " + 100 * x + "%") + ")";

export function label(value) {
  const size = Math.abs(value);
  const short = size && (size < 1e-3 || size >= 1e5);
  const text = short ? value.toExponential(2).replace(/\.?0+e\+?/, "e") : String(Number(value.toPrecision(4)));
  return text.replaceAll("-", "−");
}

// round numbers inside a range, about four
export function niceTicks(low, high) {
  const span = high - low;
  const decade = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * decade).find((candidate) => span / candidate <= 5);
  const ticks = Array.from({ length: 7 }, (_, k) => Number(((Math.ceil(low / step) + k) * step).toPrecision(12)));
  return ticks.filter((tick) => tick <= high);
}
