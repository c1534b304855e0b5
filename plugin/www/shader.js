// What vtk.js's volume shader computes of a sample: colour and opacity, an isosurface, masked points and light.
//
// A sample has one component, the code of the value; or two, the light that arrives as well; or three, whether there is a
// value. All are 0 at masked points, so that dividing by the third takes them out of the interpolation.

// Light that every point has.
const AMBIENT = 0.3;

export const FUNCTIONS = `
vec4 getTextureValue(vec3 pos);

// x: the value, 0 and 1 at the colours' ends; y: light, below 0 where there is no value
vec2 sampleOf(vec4 value) {
  float code = value[0];
  float light = 1.0;
  #if vtkNumberOfComponents > 1
    light = value[1] * volume.opacityTextureScale[1] + volume.opacityTextureShift[1];
  #endif
  #if vtkNumberOfComponents > 2
    float valid = value[2] * volume.opacityTextureScale[2] + volume.opacityTextureShift[2];
    if (valid < 0.5) return vec2(0.0, -1.0);
    code /= valid;
    light /= valid;
  #endif
  return vec2(code * volume.colorTextureScale[0] + volume.colorTextureShift[0], light);
}

// how the value changes from point to point along the axes; where a neighbour has none, towards the other
vec3 changeAt(vec3 pos, float value) {
  vec3 change;
  for (int axis = 0; axis < 3; ++axis) {
    vec3 side = vec3(0.0);
    side[axis] = volume.inverseDimensions[axis];
    vec2 next = sampleOf(getTextureValue(pos + side));
    vec2 last = sampleOf(getTextureValue(pos - side));
    change[axis] = 0.5 * ((next.y < 0.0 ? value : next.x) - (last.y < 0.0 ? value : last.x));
  }
  return change;
}

// light from the camera on a surface across the change
float headlight(vec3 change, vec3 direction) {
  vec3 normal = transpose(volume.vecVCToISMatrix) * (change / volume.inverseDimensions);
  return abs(dot(normalize(normal + 1e-12), direction));
}
`;

// Levels of an isosurface that can be told to the shader, by what vtk.js calls the weight of the first component, 0 to 1.
const LEVELS = [-10, 10];

// 0, for no isosurface, where there is none that could be shown
export function weightOf(level) {
  const weight = level === null ? 0 : (level - LEVELS[0]) / (LEVELS[1] - LEVELS[0]);
  return weight > 0 && weight <= 1 ? weight : 0;
}

const [LOWEST, ACROSS] = [LEVELS[0], LEVELS[1] - LEVELS[0]].map((number) => number.toFixed(1));

export const COLOR = `
  vec2 here = sampleOf(tValue);
  if (here.y < 0.0) return vec4(0.0);
  float height = volume.transferFunctionsSampleHeight[0];
  float lit = mix(${AMBIENT}, 1.0, clamp(here.y, 0.0, 1.0));
  float weight = volume.independentComponentMix[0];
  if (weight > 0.0) {
    float level = ${LOWEST} + ${ACROSS} * weight;
    vec3 back = rayDirVC * sampleDistance;
    vec2 before = sampleOf(getTextureValue(posVCtoIS(posVC - back)));
    if (before.y >= 0.0 && before.x != here.x && (before.x - level) * (here.x - level) <= 0.0) {
      vec3 hit = posVCtoIS(posVC - back * (here.x - level) / (here.x - before.x));
      float facing = headlight(changeAt(hit, level), rayDirVC);
      vec3 paint = texture2D(colorTexture, vec2(level, height)).rgb;
      float gloss = 0.25 * pow(facing, 30.0);
      return vec4((0.05 + 0.95 * paint) * (0.2 + 0.8 * facing) * lit + gloss * lit, 1.0);
    }
  }
  float alpha = texture2D(opacityTexture, vec2(here.x, height)).r;
  if (alpha < 1e-5) return vec4(0.0);
  vec3 shown = texture2D(colorTexture, vec2(here.x, height)).rgb * lit;
  #if vtkNumberOfLights > 0
    vec3 change = changeAt(posIS, here.x);
    shown *= mix(1.0, 0.25 + 0.85 * headlight(change, rayDirVC), smoothstep(0.0, 0.04, length(change)));
  #endif
  return vec4(shown, alpha);
`;
