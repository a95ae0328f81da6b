/** What the orb is drawn of. Each function gets a canvas whose origin is the orb's centre. Knows nothing of the page. */

/** @typedef {[number, number, number]} Colour red, green, blue, 0 to 255 */

/** @param {Colour} colour @param {number} [alpha] */
export const css = ([red, green, blue], alpha = 1) => `rgb(${red | 0} ${green | 0} ${blue | 0} / ${alpha})`;

const POINTS = 72;

/**
 * The light around the orb.
 * @param {CanvasRenderingContext2D} canvas
 * @param {number} radius
 * @param {Colour} colour
 * @param {number} level 0 to 1
 */
export function halo(canvas, radius, colour, level) {
  const reach = radius * (1.32 + 0.36 * level);
  const light = canvas.createRadialGradient(0, 0, radius * 0.8, 0, 0, reach);
  light.addColorStop(0, css(colour, 0.3 + 0.2 * level));
  light.addColorStop(1, css(colour, 0));
  canvas.fillStyle = light;
  canvas.fillRect(-reach, -reach, 2 * reach, 2 * reach);
}

/**
 * The body: a ball of two colours with slow light inside; `swell` makes its edge move. Its middle has the first colour,
 * on which whatever stands there can be seen.
 * @param {CanvasRenderingContext2D} canvas
 * @param {number} radius
 * @param {[Colour, Colour]} colours
 * @param {number} swell 0 to 1
 * @param {number} seconds
 */
export function body(canvas, radius, [deep, bright], swell, seconds) {
  canvas.save();
  outline(canvas, radius, 0.036 * swell, seconds);
  const shade = canvas.createLinearGradient(-radius * 0.6, -radius, radius * 0.6, radius);
  shade.addColorStop(0, css(bright));
  shade.addColorStop(0.55, css(deep));
  shade.addColorStop(1, css(deep));
  canvas.fillStyle = shade;
  canvas.fill();
  canvas.clip();
  for (const [speed, place, size] of [[0.5, 0, 0.9], [-0.36, 2.2, 0.75], [0.27, 4.3, 0.6]]) {
    const angle = seconds * speed + place;
    glow(canvas, Math.cos(angle) * radius * 0.55, Math.sin(angle * 1.3) * radius * 0.55, radius * size, bright, 0.5);
  }
  middle(canvas, radius, deep);
  canvas.restore();
}

/** @param {CanvasRenderingContext2D} canvas @param {number} radius @param {Colour} colour */
function middle(canvas, radius, colour) {
  const shade = canvas.createRadialGradient(0, 0, radius * 0.45, 0, 0, radius * 0.9);
  shade.addColorStop(0, css(colour, 0.9));
  shade.addColorStop(1, css(colour, 0));
  canvas.fillStyle = shade;
  canvas.fillRect(-radius, -radius, 2 * radius, 2 * radius);
}

/** @param {CanvasRenderingContext2D} canvas @param {number} radius @param {number} depth @param {number} seconds */
function outline(canvas, radius, depth, seconds) {
  canvas.beginPath();
  for (let point = 0; point <= POINTS; point++) {
    const angle = (2 * Math.PI * point) / POINTS;
    const wave = 0.4 * Math.sin(3 * angle + 1.7 * seconds) + 0.35 * Math.sin(4 * angle - 2.3 * seconds) + 0.25 * Math.sin(6 * angle + 3.1 * seconds);
    const reach = radius * (1 + depth * wave);
    canvas.lineTo(Math.cos(angle) * reach, Math.sin(angle) * reach);
  }
  canvas.closePath();
}

/** @param {CanvasRenderingContext2D} canvas @param {number} x @param {number} y @param {number} radius @param {Colour} colour @param {number} alpha */
function glow(canvas, x, y, radius, colour, alpha) {
  const light = canvas.createRadialGradient(x, y, 0, x, y, radius);
  light.addColorStop(0, css(colour, alpha));
  light.addColorStop(1, css(colour, 0));
  canvas.fillStyle = light;
  canvas.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
}

/**
 * A ring, or what `dashes` leaves of it.
 * @param {CanvasRenderingContext2D} canvas
 * @param {number} radius
 * @param {Colour} colour
 * @param {{alpha?: number, width?: number, dashes?: number[], turn?: number}} how dashes in parts of the circle
 */
export function ring(canvas, radius, colour, { alpha = 1, width = 3, dashes = [], turn = 0 } = {}) {
  canvas.beginPath();
  canvas.setLineDash(dashes.map((part) => part * 2 * Math.PI * radius));
  canvas.lineCap = "round";
  canvas.lineWidth = width;
  canvas.strokeStyle = css(colour, alpha);
  canvas.arc(0, 0, radius, turn, turn + 2 * Math.PI);
  canvas.stroke();
  canvas.setLineDash([]);
}

/**
 * Five bars that dance with the voice.
 * @param {CanvasRenderingContext2D} canvas
 * @param {number} radius
 * @param {Colour} colour
 * @param {number} level 0 to 1
 * @param {number} seconds
 */
export function bars(canvas, radius, colour, level, seconds) {
  const width = radius * 0.12;
  canvas.fillStyle = css(colour);
  for (let place = -2; place <= 2; place++) {
    const dance = 0.65 + 0.35 * Math.sin(seconds * (7 + place) + place * 1.9);
    const height = width + radius * (0.98 - 0.16 * Math.abs(place)) * Math.max(0.06, level * dance);
    canvas.beginPath();
    canvas.roundRect(place * radius * 0.22 - width / 2, -height / 2, width, height, width / 2);
    canvas.fill();
  }
}

/**
 * Three dots that wait.
 * @param {CanvasRenderingContext2D} canvas
 * @param {number} radius
 * @param {Colour} colour
 * @param {number} seconds 0: they stand still
 */
export function dots(canvas, radius, colour, seconds) {
  canvas.fillStyle = css(colour);
  for (let place = -1; place <= 1; place++) {
    const rise = seconds ? Math.max(0, Math.sin(seconds * 5 - place * 0.9)) : 0;
    canvas.beginPath();
    canvas.arc(place * radius * 0.34, -rise * radius * 0.16, radius * 0.095, 0, 2 * Math.PI);
    canvas.fill();
  }
}
