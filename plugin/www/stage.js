// A volume, an isosurface, slices, or a plane, drawn by vtk.js on the graphics card of whoever looks.
import { COLOR, FUNCTIONS, weightOf } from "./shader.js";

// codes of values: 0 says that there is none, 1 to TOP are the field's range
export const TOP = 65535;

// of a step along a ray, in the smallest distance of points; and steps across the box, at most
const STEP = 0.7;
const STEPS = 4000;

// frames a second that moving pictures are drawn coarser for
const LEAST_RATE = 12;

const AXES = ["x", "y", "z"];

export class Stage {
  constructor({ kind, grid, unit, masked, background, outline, camera }) {
    Object.assign(this, { kind, grid, unit, masked, start: camera });
    const { Misc, Core } = vtk.Rendering;
    this.element = document.createElement("div");
    this.window = Misc.vtkGenericRenderWindow.newInstance({ background, listenWindowResize: false });
    this.window.setContainer(this.element);
    this.renderer = this.window.getRenderer();
    this.interactor = this.window.getInteractor();
    this.interactor.setDesiredUpdateRate(LEAST_RATE);
    this.top = isNarrow(this.window.getApiSpecificRenderWindow().getContext()) ? 255 : TOP;
    this.image = this.newImage();
    this.codes = this.newImage();
    // vtk.js keeps textures by these objects, the volume's and the slices' of other shapes: each has its own
    this.colors = Core.vtkColorTransferFunction.newInstance();
    this.sliceColors = Core.vtkColorTransferFunction.newInstance();
    this.valued = this.newValued();
    this.opacity = vtk.Common.DataModel.vtkPiecewiseFunction.newInstance();
    this.slices = AXES.map((_, axis) => this.newSlice(axis));
    if (kind === "volume") {
      this.volume = this.newVolume();
      this.renderer.addActor(this.newOutline(outline));
    } else this.makeFlat();
    this.reset();
  }

  newImage() {
    const { dims, origin, spacing, axes } = this.grid;
    const image = vtk.Common.DataModel.vtkImageData.newInstance({ origin, spacing });
    image.setDirection(axes);
    image.setDimensions(dims);
    return image;
  }

  newVolume() {
    const { vtkVolume, vtkVolumeMapper, vtkVolumeProperty } = vtk.Rendering.Core;
    const mapper = vtkVolumeMapper.newInstance();
    const { spacing, dims } = this.grid;
    const across = Math.hypot(...spacing.map((step, i) => step * (dims[i] - 1)));
    mapper.setSampleDistance(Math.max(STEP * Math.min(...spacing), across / STEPS));
    mapper.setMaximumSamplesPerRay(STEPS + 1);
    const replacement = (originalValue, replacementValue) => ({
      shaderType: "Fragment",
      originalValue,
      replaceFirst: true,
      replacementValue,
      replaceAll: false,
    });
    mapper.getViewSpecificProperties().OpenGL = {
      ShaderReplacements: [
        replacement("//VTK::ClipPlane::Dec", FUNCTIONS + "//VTK::ClipPlane::Dec"),
        replacement("//VTK::CustomColorMix", COLOR),
      ],
    };
    const volume = vtkVolume.newInstance();
    volume.setMapper(mapper);
    this.mapper = mapper;
    this.look = volume.getProperty();
    this.look.setColorMixPreset(vtkVolumeProperty.ColorMixPreset.CUSTOM);
    this.look.setInterpolationTypeToLinear();
    this.look.setRGBTransferFunction(0, this.colors);
    this.look.setScalarOpacity(0, this.opacity);
    // light, and whether there is a value
    for (const component of [1, 2]) {
      this.look.setRGBTransferFunction(component, this.ramp(vtk.Rendering.Core.vtkColorTransferFunction));
      this.look.setScalarOpacity(component, this.ramp(vtk.Common.DataModel.vtkPiecewiseFunction));
    }
    this.renderer.addVolume(volume);
    return volume;
  }

  // the opacity of slices, 0 where there is no value; without one vtk.js leaves a texture behind with every picture
  newValued() {
    const valued = vtk.Common.DataModel.vtkPiecewiseFunction.newInstance();
    const points = [[0, this.masked ? 0 : 1], [0.9, this.masked ? 0 : 1], [1, 1], [this.top, 1]];
    points.forEach(([code, alpha]) => valued.addPoint(code, alpha));
    return valued;
  }

  newSlice(axis) {
    const { vtkImageSlice, vtkImageMapper } = vtk.Rendering.Core;
    const mapper = vtkImageMapper.newInstance();
    mapper.setInputData(this.codes);
    mapper.setSlicingMode([vtkImageMapper.SlicingMode.I, vtkImageMapper.SlicingMode.J, vtkImageMapper.SlicingMode.K][axis]);
    const slice = vtkImageSlice.newInstance();
    slice.setMapper(mapper);
    slice.getProperty().setRGBTransferFunction(0, this.sliceColors);
    slice.getProperty().setUseLookupTableScalarRange(true);
    slice.getProperty().setPiecewiseFunction(0, this.valued);
    // the texture of their opacity has floats
    if (this.top !== TOP) slice.getProperty().setInterpolationTypeToNearest();
    slice.setVisibility(false);
    this.renderer.addActor(slice);
    return slice;
  }

  // a plane is its own slice, seen from the front and only moved and enlarged
  makeFlat() {
    const { Manipulators, Style } = vtk.Interaction;
    this.slices[2].getProperty().setInterpolationTypeToNearest();
    const style = Style.vtkInteractorStyleManipulator.newInstance();
    for (const button of [1, 2]) {
      style.addMouseManipulator(Manipulators.vtkMouseCameraTrackballPanManipulator.newInstance({ button }));
    }
    style.addMouseManipulator(Manipulators.vtkMouseCameraTrackballZoomManipulator.newInstance({ button: 3 }));
    const wheel = { scrollEnabled: true, dragEnabled: false };
    style.addMouseManipulator(Manipulators.vtkMouseCameraTrackballZoomManipulator.newInstance(wheel));
    style.addGestureManipulator(Manipulators.vtkGestureCameraManipulator.newInstance());
    this.interactor.setInteractorStyle(style);
    this.renderer.getActiveCamera().setParallelProjection(true);
  }

  // the edges of the box
  newOutline(color) {
    const corner = (k) => this.image.indexToWorld([k & 1, (k >> 1) & 1, k >> 2].map((end, i) => end * (this.grid.dims[i] - 1)));
    const edges = [];
    for (let k = 0; k < 8; k++) for (const bit of [1, 2, 4]) if (!(k & bit)) edges.push(2, k, k | bit);
    const box = vtk.Common.DataModel.vtkPolyData.newInstance();
    box.getPoints().setData(Float32Array.from(Array.from({ length: 8 }, (_, k) => [...corner(k)]).flat()), 3);
    box.getLines().setData(Uint32Array.from(edges));
    const mapper = vtk.Rendering.Core.vtkMapper.newInstance();
    mapper.setInputData(box);
    const actor = vtk.Rendering.Core.vtkActor.newInstance();
    actor.setMapper(mapper);
    actor.getProperty().setColor(...color);
    actor.getProperty().setLighting(false);
    return actor;
  }

  // from 0 to 1 over all codes
  ramp(kind) {
    const made = kind.newInstance();
    for (const x of [0, 1]) made.addRGBPoint ? made.addRGBPoint(x * this.top, x, x, x) : made.addPoint(x * this.top, x);
    return made;
  }

  // their range is known: looking for it would take as long as copying them
  scalars(codes, numberOfComponents) {
    const values = this.top === TOP ? codes : Uint8Array.from(codes, (code) => code >> 8);
    const ranges = Array.from({ length: numberOfComponents + 1 }, (_, component) => ({ component, min: 0, max: this.top }));
    return vtk.Common.Core.vtkDataArray.newInstance({ name: "codes", numberOfComponents, values, ranges });
  }

  // codes (Uint16Array), and the light that arrives (Uint8Array), if any
  put({ codes, light }) {
    this.codes.getPointData().setScalars(this.scalars(codes, 1));
    this.codes.modified();
    if (!this.volume) return this.slices[2].setVisibility(true);
    const n = this.masked ? 3 : light ? 2 : 1;
    const values = n === 1 ? codes : interlaced(codes, light, n);
    this.image.getPointData().setScalars(this.scalars(values, n));
    this.image.modified();
    this.mapper.setInputData(this.image);
  }

  // colours and opacities as points over 0 to 1, which are the codes low and high
  paint(colors, opacities, low, high, density) {
    const painted = JSON.stringify([colors, opacities, low, high, density]);
    if (painted === this.painted) return;
    this.painted = painted;
    const at = (x) => ((low + x * (high - low || 1)) * this.top) / TOP;
    for (const map of [this.colors, this.sliceColors]) {
      map.removeAllPoints();
      for (const [x, ...rgb] of colors) map.addRGBPoint(at(x), ...rgb);
    }
    if (!this.volume) return;
    this.opacity.removeAllPoints();
    const [first, last] = [opacities[0], opacities[opacities.length - 1]];
    for (const [x, alpha] of [[0, first[1]], ...opacities, [1, last[1]]]) this.opacity.addPoint(at(x), Math.min(alpha, 0.9999));
    this.look.setScalarOpacityUnitDistance(0, this.unit / Math.max(density, 1e-6));
  }

  // which parts there are: an isosurface at a level, 0 and 1 at the colours' ends, slices at numbers of points
  show({ volume, level, slices, shaded }) {
    if (!this.volume) return;
    this.volume.setVisibility(volume || level !== null);
    this.look.setComponentWeight(0, weightOf(level));
    this.look.setShade(shaded);
    this.slices.forEach((slice, axis) => {
      slice.setVisibility(slices[axis] !== null);
      if (slices[axis] !== null) slice.getMapper().setSlice(slices[axis]);
    });
  }

  // the camera to start with, or along an axis: all of the box in view
  reset(axis = null) {
    const camera = this.renderer.getActiveCamera();
    const [position, middle] = this.start;
    camera.setFocalPoint(...middle);
    if (this.kind === "plane") {
      const { axes } = this.grid;
      const normal = [0, 1, 2].map((i) => middle[i] + cross(axes.slice(0, 3), axes.slice(3, 6))[i]);
      camera.setPosition(...normal);
      camera.setViewUp(...axes.slice(3, 6));
    } else {
      const along = axis === null ? position : middle.map((place, i) => place + (i === axis ? (axis === 1 ? -1 : 1) : 0));
      camera.setPosition(...along);
      camera.setViewUp(...(axis === 2 ? [0, 1, 0] : [0, 0, 1]));
    }
    this.renderer.resetCamera(this.image.getBounds());
    this.filled = false;
  }

  // a plane as large as the window has it
  fill() {
    this.filled = true;
    const [width, height] = this.window.getApiSpecificRenderWindow().getSize();
    const [wide, high] = [0, 1].map((axis) => this.grid.spacing[axis] * this.grid.dims[axis]);
    this.renderer.getActiveCamera().setParallelScale(0.52 * Math.max(high, (wide * height) / (width || 1)));
  }

  // what another page, or the server, needs to look from the same place
  camera(given = null) {
    const camera = this.renderer.getActiveCamera();
    if (given) {
      camera.set(given);
      this.filled = true;
      this.renderer.resetCameraClippingRange();
    }
    const { position, focalPoint, viewUp, viewAngle, parallelScale } = camera.get();
    return { position: [...position], focalPoint: [...focalPoint], viewUp: [...viewUp], viewAngle, parallelScale };
  }

  attach(frame) {
    frame.appendChild(this.element);
    this.resize();
  }

  resize() {
    if (!this.element.clientWidth || !this.element.clientHeight) return;
    this.window.resize();
    if (this.kind === "plane" && !this.filled) this.fill();
    this.render();
  }

  // call before each of the pictures that follow each other, as fast as the browser draws them, until it is null
  animate(call) {
    this.playing?.unsubscribe();
    this.playing = null;
    if (!call) return this.interactor.cancelAnimation(this);
    this.playing = this.interactor.onAnimation(call);
    this.interactor.requestAnimation(this);
  }

  // once before the browser shows its next frame, however often it is called
  render() {
    this.drawing ??= new Promise(requestAnimationFrame).then(() => {
      this.drawing = null;
      this.window.getRenderWindow().render();
    });
    return this.drawing;
  }
}

// Whether a card filters neither 16 bits nor floats, as many of phones: it gets the upper 8 of the 16.
const isNarrow = (gl) => !gl.getExtension("EXT_texture_norm16") && !gl.getExtension("OES_texture_float_linear");

// value, light, and whether there is a value; all 0 where there is none
function interlaced(codes, light, n) {
  const values = new Uint16Array(n * codes.length);
  for (let i = 0, j = 0; i < codes.length; i++, j += n) {
    if (n === 3 && !codes[i]) continue;
    values[j] = codes[i];
    values[j + 1] = light ? light[i] * 257 : TOP;
    if (n === 3) values[j + 2] = TOP;
  }
  return values;
}

const cross = ([a, b, c], [d, e, f]) => [b * f - c * e, c * d - a * f, a * e - b * d];
