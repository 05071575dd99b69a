//! Affine maps of an image onto itself: shifts, shears, rotations.

#![expect(clippy::inline_always, reason = "code outside a kernel is compiled without its instruction set")]

use balpoe_core::components::Image;
use balpoe_net::PixelMap;
use pulp::{Arch, NullaryFnOnce};

/// How a pixel between pixels is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel that holds the place.
    Nearest,
    /// Two by two pixels.
    Bilinear,
    /// Four by four pixels, with Pillow's kernel (parameter -1).
    Bicubic,
}

/// Where each pixel of the result comes from: the centre (x, y) of an output pixel is the place (a x + b y + c, d x + e y + f)
/// of the input. Places outside the input take a fill colour.
///
/// The arithmetic is Pillow's (`Image.transform`): nearest neighbours step in 16.16 fixed point, unless the map is a shift;
/// the others are in double precision, clamped at the edges of the image, and truncated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    coefficients: [f64; 6],
}

impl Affine {
    /// Moves what is at (x + `right`, y + `down`) to (x, y), in pixels.
    pub fn shift(right: f64, down: f64) -> Self {
        Self { coefficients: [1.0, 0.0, right, 0.0, 1.0, down] }
    }

    /// A horizontal shear: rows move left by `slope` times their distance from the top.
    pub fn shear_x(slope: f64) -> Self {
        Self { coefficients: [1.0, slope, 0.0, 0.0, 1.0, 0.0] }
    }

    /// A vertical shear: columns move up by `slope` times their distance from the left.
    pub fn shear_y(slope: f64) -> Self {
        Self { coefficients: [1.0, 0.0, 0.0, slope, 1.0, 0.0] }
    }

    /// A counter-clockwise rotation about the centre of images of this size.
    pub fn rotation(degrees: f64, height: usize, width: usize) -> Self {
        // Pillow rounds to 15 decimals, so that quarter turns are exact.
        let rounded = |v: f64| format!("{v:.15}").parse().unwrap_or(v);
        let (sin, cos) = (-degrees.rem_euclid(360.0).to_radians()).sin_cos();
        let (sin, cos) = (rounded(sin), rounded(cos));
        let (centre_x, centre_y) = (width as f64 / 2.0, height as f64 / 2.0);
        let right = cos * -centre_x + sin * -centre_y + centre_x;
        let down = -sin * -centre_x + cos * -centre_y + centre_y;
        Self { coefficients: [cos, sin, right, -sin, cos, down] }
    }

    /// The mapped image, of the same size.
    pub fn apply(&self, image: &Image, interpolation: Interpolation, fill: [u8; 3]) -> Image {
        let mut mapped = Image { pixels: fill.repeat(image.height * image.width), ..*image };
        let (source, _) = image.pixels.as_chunks::<3>();
        let (target, _) = mapped.pixels.as_chunks_mut::<3>();
        let (height, width) = (image.height, image.width);
        if width == 0 {
            return mapped;
        }
        let rows = target.chunks_exact_mut(width).enumerate();
        let [_, b, _, d, ..] = self.coefficients;
        match interpolation {
            Interpolation::Nearest if b == 0.0 && d == 0.0 => {
                rows.for_each(|(y, row)| self.nearest_by_scale(source, (height, width), y, row));
            }
            Interpolation::Nearest => {
                rows.for_each(|(y, row)| self.nearest(source, (height, width), y, row));
            }
            Interpolation::Bilinear => {
                rows.for_each(|(y, row)| self.smooth(source, (height, width), y, row, bilinear));
            }
            Interpolation::Bicubic => {
                rows.for_each(|(y, row)| self.smooth(source, (height, width), y, row, bicubic));
            }
        }
        mapped
    }

    /// One row by nearest neighbours where rows stay rows: places are summed column by column.
    fn nearest_by_scale(
        &self,
        source: &[[u8; 3]],
        (height, width): (usize, usize),
        y: usize,
        row: &mut [[u8; 3]],
    ) {
        let [a, _, c, _, e, f] = self.coefficients;
        let mut at_y = f + e * 0.5;
        for _ in 0..y {
            at_y += e;
        }
        if at_y < 0.0 || at_y as usize >= height {
            return;
        }
        let line = &source[at_y as usize * width..][..width];
        let mut x = c + a * 0.5;
        for pixel in row {
            if x >= 0.0 && (x as usize) < width {
                *pixel = line[x as usize];
            }
            x += a;
        }
    }

    /// The map by nearest neighbours in fixed point, which [`apply`](Self::apply) follows unless rows stay rows. There it agrees
    /// with what `apply` does where places are whole pixels, as they are after turns by 0 and 180 degrees.
    pub fn pixel_map(&self) -> PixelMap {
        let [a, b, c, d, e, f] = self.coefficients;
        let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
        PixelMap {
            origin: [fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5)],
            column_step: [fixed(a), fixed(d)],
            row_step: [fixed(b), fixed(e)],
        }
    }

    /// One row by nearest neighbours, in fixed point.
    fn nearest(&self, source: &[[u8; 3]], (height, width): (usize, usize), y: usize, row: &mut [[u8; 3]]) {
        let PixelMap { origin, column_step, row_step } = self.pixel_map();
        let [mut x, mut at_y] = [0, 1].map(|side| origin[side] + row_step[side] * y as i64);
        for pixel in row {
            // Negative places wrap to huge ones, outside the image.
            let (column, line) = ((x >> 16) as usize, (at_y >> 16) as usize);
            if column < width && line < height {
                *pixel = source[line * width + column];
            }
            x += column_step[0];
            at_y += column_step[1];
        }
    }

    /// One row by an interpolation.
    fn smooth(
        &self,
        source: &[[u8; 3]],
        size: (usize, usize),
        y: usize,
        row: &mut [[u8; 3]],
        interpolate: impl Fn(&[[u8; 3]], (usize, usize), Place) -> [u8; 3],
    ) {
        Arch::new().dispatch(SmoothRow { map: self.coefficients, source, size, y, row, interpolate });
    }
}

/// One row by an interpolation, as a kernel.
struct SmoothRow<'a, I> {
    map: [f64; 6],
    source: &'a [[u8; 3]],
    size: (usize, usize),
    y: usize,
    row: &'a mut [[u8; 3]],
    interpolate: I,
}

impl<I: Fn(&[[u8; 3]], (usize, usize), Place) -> [u8; 3]> NullaryFnOnce for SmoothRow<'_, I> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [a, b, c, d, e, f] = self.map;
        let (height, width) = (self.size.0 as f64, self.size.1 as f64);
        let out_y = self.y as f64 + 0.5;
        for (x, pixel) in self.row.iter_mut().enumerate() {
            let out_x = x as f64 + 0.5;
            let in_x = a * out_x + b * out_y + c;
            let in_y = d * out_x + e * out_y + f;
            if in_x >= 0.0 && in_x < width && in_y >= 0.0 && in_y < height {
                *pixel = (self.interpolate)(self.source, self.size, Place::of(in_x - 0.5, in_y - 0.5));
            }
        }
    }
}

/// The pixel up and left of a place, and how far the place is beyond its centre.
#[derive(Clone, Copy)]
struct Place {
    x: isize,
    y: isize,
    dx: f64,
    dy: f64,
}

impl Place {
    #[inline(always)]
    fn of(x: f64, y: f64) -> Self {
        let (left, top) = (x.floor(), y.floor());
        Self { x: left as isize, y: top as isize, dx: x - left, dy: y - top }
    }
}

/// A line of an image, which goes on with its first and last pixels.
#[inline(always)]
fn line(source: &[[u8; 3]], (height, width): (usize, usize), y: isize) -> &[[u8; 3]] {
    &source[y.clamp(0, height as isize - 1) as usize * width..][..width]
}

/// So many pixels of a line from `x` on, which may reach beyond its ends.
#[inline(always)]
fn pixels<const N: usize>(line: &[[u8; 3]], x: isize) -> [[f64; 3]; N] {
    match usize::try_from(x).ok().and_then(|x| line.get(x..)?.first_chunk::<N>()) {
        Some(inside) => inside.map(|pixel| pixel.map(f64::from)),
        None => std::array::from_fn(|step| {
            let at = (x + step as isize).clamp(0, line.len() as isize - 1);
            line[at as usize].map(f64::from)
        }),
    }
}

#[inline(always)]
fn bilinear(source: &[[u8; 3]], size: (usize, usize), place: Place) -> [u8; 3] {
    #[inline(always)]
    fn mix([p, q]: [[f64; 3]; 2], d: f64) -> [f64; 3] {
        std::array::from_fn(|channel| p[channel] + (q[channel] - p[channel]) * d)
    }
    let along = |y: isize| mix(pixels(line(source, size, y), place.x), place.dx);
    // A second line that does not count is not looked at: shears and shifts along rows need only one.
    let value = match along(place.y) {
        upper if place.dy == 0.0 => upper,
        upper => mix([upper, along(place.y + 1)], place.dy),
    };
    value.map(|v| v as u8)
}

#[inline(always)]
fn bicubic(source: &[[u8; 3]], size: (usize, usize), place: Place) -> [u8; 3] {
    #[inline(always)]
    fn cubic([v1, v2, v3, v4]: [[f64; 3]; 4], d: f64) -> [f64; 3] {
        std::array::from_fn(|channel| {
            let [v1, v2, v3, v4] = [v1[channel], v2[channel], v3[channel], v4[channel]];
            let p2 = -v1 + v3;
            let p3 = 2.0 * (v1 - v2) + v3 - v4;
            let p4 = -v1 + v2 - v3 + v4;
            v2 + d * (p2 + d * (p3 + d * p4))
        })
    }
    let along = |y: isize| cubic(pixels(line(source, size, y), place.x - 1), place.dx);
    let value = if place.dy == 0.0 {
        along(place.y)
    } else {
        cubic([-1, 0, 1, 2].map(|step| along(place.y + step)), place.dy)
    };
    value.map(|v| v.clamp(0.0, 255.0) as u8)
}
