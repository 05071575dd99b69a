//! From the values of the components to pixels.

#![expect(clippy::inline_always, reason = "code outside a kernel is compiled without its instruction set")]

use std::cell::RefCell;
use std::ops::Range;

use balpoe_core::components::Image;
use pulp::{Arch, NullaryFnOnce};

use super::planes::{Area, Plane, Workspace};
use super::scan::Scan;
use crate::imaging::words::{BLOCK, pack, word};

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Decodes an area of a JPEG file; `None` if the file is not of the ordinary kind, or is damaged.
///
/// # Panics
/// If the area is not inside the image.
pub(in crate::decode) fn decode(bytes: &[u8], area: Area) -> Option<Image> {
    let scan = Scan::new(bytes)?;
    assert!(
        area.top + area.height <= scan.height && area.left + area.width <= scan.width,
        "{area:?} of {scan:?}"
    );
    WORKSPACE.with_borrow_mut(|workspace| {
        let planes = workspace.planes(&scan, area)?;
        let mut image = Image::black(area.height, area.width);
        let pixels = image.pixels.as_chunks_mut().0;
        Arch::new().dispatch(Convert { planes: &planes, area, pixels });
        Some(image)
    })
}

/// Brings colours to the size of the luminance, and converts them: libjpeg's "fancy upsampling" (`jdsample.c`) and colour conversion
/// (`jdcolor.c`), with their rounding.
struct Convert<'a> {
    planes: &'a [Plane<'a>],
    area: Area,
    pixels: &'a mut [[u8; 3]],
}

impl NullaryFnOnce for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Area { top, left, height: _, width } = self.area;
        let mut upsampled = [Upsampled::default(), Upsampled::default()];
        for (y, pixels) in self.pixels.chunks_exact_mut(width).enumerate() {
            let y = top + y;
            let luminance = self.planes[0].row(y, left..left + width);
            if let [_, blue, red] = self.planes {
                let [cb, cr] = &mut upsampled;
                let (blue, red) = (cb.row(blue, y, left..left + width), cr.row(red, y, left..left + width));
                let (whole, rest) = pixels.as_chunks_mut::<BLOCK>();
                for (at, pixels) in whole.iter_mut().enumerate() {
                    let [y, cb, cr] = [luminance, blue, red].map(|line| &line.as_chunks().0[at]);
                    *pixels = convert(y, cb, cr);
                }
                let [y, cb, cr] = [luminance, blue, red].map(|line| {
                    let mut block = [0; BLOCK];
                    block[..rest.len()].copy_from_slice(line.as_chunks::<BLOCK>().1);
                    block
                });
                rest.copy_from_slice(&convert(&y, &cb, &cr)[..rest.len()]);
            } else {
                for (pixel, &value) in pixels.iter_mut().zip(luminance) {
                    *pixel = [value; 3];
                }
            }
        }
    }
}

/// A block of pixels.
#[inline(always)]
fn convert(y: &[u8; BLOCK], cb: &[u8; BLOCK], cr: &[u8; BLOCK]) -> [[u8; 3]; BLOCK] {
    let mut words = [0; BLOCK];
    for (((word, &y), &cb), &cr) in words.iter_mut().zip(y).zip(cb).zip(cr) {
        *word = rgb(y, cb, cr);
    }
    pack(&words)
}

/// A pixel's word: ITU-R BT.601 with the full range, in 16-bit fixed point.
#[inline(always)]
fn rgb(y: u8, cb: u8, cr: u8) -> u32 {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let half = 1 << 15;
    let red = y + ((91881 * cr + half) >> 16);
    let green = y + ((half - 22554 * cb - 46802 * cr) >> 16);
    let blue = y + ((116130 * cb + half) >> 16);
    word([red, green, blue].map(|value| value.clamp(0, 255) as u32))
}

/// A row of colours at the size of the luminance.
#[derive(Default)]
struct Upsampled {
    /// Four times the values between two rows, one more at each end.
    between: Vec<u16>,
    values: Vec<u8>,
}

impl Upsampled {
    /// Columns of the image's row `y`.
    #[inline(always)]
    fn row<'s>(&'s mut self, plane: &Plane<'s>, y: usize, columns: Range<usize>) -> &'s [u8] {
        if plane.pixels == (1, 1) {
            return plane.row(y, columns);
        }
        let (pixels_down, pixels_across) = plane.pixels;
        let last = (plane.size.0 - 1, plane.size.1 - 1);
        // Values that the columns need, without those at the ends that only smooth.
        let own = columns.start / pixels_across..(columns.end - 1) / pixels_across + 1;
        let wide = own.start.saturating_sub(1)..(own.end + 1).min(last.1 + 1);
        let near = y / pixels_down;
        // Of two rows in the image, the upper is nearer to the values above, the lower to those below.
        let far = match (pixels_down, y % pixels_down) {
            (1, _) => near,
            (_, 0) => near.saturating_sub(1),
            _ => (near + 1).min(last.0),
        };
        let rows = plane.row(near, wide.clone()).iter().zip(plane.row(far, wide.clone()));
        if pixels_across == 1 {
            let bias = 1 + (y % 2) as u16;
            self.values.resize(wide.len(), 0);
            for (value, (&near, &far)) in self.values.iter_mut().zip(rows) {
                *value = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
            }
            return &self.values[columns.start - wide.start..][..columns.len()];
        }
        // The image goes on at its edges with its outermost values.
        let length = own.len() + 2;
        self.between.resize(length, 0);
        let inner = wide.start + 1 - own.start;
        for (sum, (&near, &far)) in self.between[inner..].iter_mut().zip(rows) {
            *sum = 3 * u16::from(near) + u16::from(far);
        }
        if own.start == 0 {
            self.between[0] = self.between[1];
        }
        if own.end > last.1 {
            self.between[length - 1] = self.between[length - 2];
        }
        // Rounded down and up in turn: of 16 parts if rows were mixed, else of 4, which are sums here, too.
        let bias = if pixels_down == 1 { [4, 8] } else { [8, 7] };
        self.values.resize(2 * own.len(), 0);
        let neighbours = self.between.iter().zip(&self.between[1..]).zip(&self.between[2..]);
        for (pair, ((&left, &here), &right)) in self.values.as_chunks_mut::<2>().0.iter_mut().zip(neighbours)
        {
            *pair = [(3 * here + left + bias[0]) >> 4, (3 * here + right + bias[1]) >> 4]
                .map(|value| value as u8);
        }
        &self.values[columns.start % 2..][..columns.len()]
    }
}
