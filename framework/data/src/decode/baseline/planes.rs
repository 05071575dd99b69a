//! From the entropy-coded data to the values of the components, in the part of the image that is wanted.

#![expect(clippy::inline_always, reason = "code outside a kernel is compiled without its instruction set")]

use std::ops::Range;

use pulp::Arch;

use super::inverse_dct::{Blocks, InverseDct, LANES};
use super::scan::{Component, Scan, ZIGZAG};
use super::stream::Stream;

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Area {
    pub(in crate::decode) top: usize,
    pub(in crate::decode) left: usize,
    pub(in crate::decode) height: usize,
    pub(in crate::decode) width: usize,
}

/// The values of a component.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane<'a> {
    values: &'a [u8],
    stride: usize,
    /// Row and column of the first value.
    start: (usize, usize),
    /// Rows and columns of the whole component.
    pub(super) size: (usize, usize),
    /// Pixels of the image above each other and beside each other for each value (1 or 2).
    pub(super) pixels: (usize, usize),
}

impl<'a> Plane<'a> {
    /// Columns of a row.
    #[inline(always)]
    pub(super) fn row(&self, row: usize, columns: Range<usize>) -> &'a [u8] {
        let at = (row - self.start.0) * self.stride;
        &self.values[at + columns.start - self.start.1..at + columns.end - self.start.1]
    }
}

/// Memory that is used for one image after another.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    coefficients: Vec<Blocks>,
    values: Vec<u8>,
}

/// Where the blocks of a component are kept.
struct Layout<'s> {
    component: &'s Component,
    /// First of the groups of blocks of a row of units; and groups beside each other.
    groups: (usize, usize),
    /// Place of the first value, and values from one row to the next.
    values: (usize, usize),
}

impl Workspace {
    /// Decodes so much that the area, and the values around it by which colours are smoothed, are there; `None` if the data end
    /// too early, or have codes that do not exist.
    pub(super) fn planes(&mut self, scan: &Scan<'_>, area: Area) -> Option<Vec<Plane<'_>>> {
        let most = |factor: fn(&Component) -> usize| scan.components.iter().map(factor).max().unwrap_or(1);
        let (across, down) = (most(|c| c.across), most(|c| c.down));
        let units = |start: usize, length: usize, whole: usize, unit: usize| {
            start.saturating_sub(unit / 8) / unit..(start + length + unit / 8).min(whole).div_ceil(unit)
        };
        let rows = units(area.top, area.height, scan.height, 8 * down);
        let columns = units(area.left, area.width, scan.width, 8 * across);

        let (mut groups, mut values) = (0, 0);
        let mut layouts = Vec::new();
        for component in &scan.components {
            let beside = (columns.len() * component.across).div_ceil(LANES);
            let stride = beside * LANES * 8;
            layouts.push(Layout { component, groups: (groups, beside), values: (values, stride) });
            groups += beside * component.down;
            values += rows.len() * component.down * 8 * stride;
        }
        self.coefficients.resize(groups, [[0; LANES]; 64]);
        self.values.resize(values.max(self.values.len()), 0);

        let mut stream = Stream::new(scan.data);
        let mut predictions = [0; 3];
        let mut until_restart = scan.restart;
        let units_across = scan.width.div_ceil(8 * across);
        for row in 0..rows.end {
            let wanted = rows.contains(&row);
            if wanted {
                self.coefficients.fill([[0; LANES]; 64]);
            }
            // What is right of the window in its last row is not even passed over.
            let end = if row + 1 == rows.end { columns.end } else { units_across };
            for column in 0..end {
                if scan.restart > 0 {
                    if until_restart == 0 {
                        stream.restart()?;
                        predictions = [0; 3];
                        until_restart = scan.restart;
                    }
                    until_restart -= 1;
                }
                let kept = wanted && columns.contains(&column);
                for (layout, prediction) in layouts.iter().zip(&mut predictions) {
                    let Component { across, down, .. } = *layout.component;
                    for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
                        let place = if kept { (column - columns.start) * across + x } else { 0 };
                        let group = layout.groups.0 + y * layout.groups.1 + place / LANES;
                        let target = kept.then(|| (&mut self.coefficients[group], place % LANES));
                        layout.component.block(&mut stream, prediction, target)?;
                    }
                }
            }
            if stream.is_exhausted() {
                return None;
            }
            if wanted {
                for layout in &layouts {
                    layout.transform(&self.coefficients, &mut self.values, row - rows.start);
                }
            }
        }
        let planes = layouts.iter().map(|layout| {
            let pixels = (down / layout.component.down, across / layout.component.across);
            let length = rows.len() * layout.component.down * 8 * layout.values.1;
            Plane {
                values: &self.values[layout.values.0..][..length],
                stride: layout.values.1,
                start: (rows.start * 8 * layout.component.down, columns.start * 8 * layout.component.across),
                size: (scan.height.div_ceil(pixels.0), scan.width.div_ceil(pixels.1)),
                pixels,
            }
        });
        Some(planes.collect())
    }
}

impl Layout<'_> {
    /// The values of a row of units.
    fn transform(&self, coefficients: &[Blocks], values: &mut [u8], row: usize) {
        let (start, stride) = self.values;
        for y in 0..self.component.down {
            let line = start + (row * self.component.down + y) * 8 * stride;
            for group in 0..self.groups.1 {
                Arch::new().dispatch(InverseDct {
                    blocks: &coefficients[self.groups.0 + y * self.groups.1 + group],
                    quantisation: &self.component.quantisation,
                    target: &mut values[line + group * LANES * 8..line + 8 * stride],
                    stride,
                });
            }
        }
    }
}

impl Component {
    /// Reads a block, and puts it into a lane of the target, if there is one.
    fn block(
        &self,
        stream: &mut Stream<'_>,
        prediction: &mut i16,
        target: Option<(&mut Blocks, usize)>,
    ) -> Option<()> {
        let mut own = stream.clone();
        // The first coefficient is coded as the difference from that of the block before.
        *prediction = prediction.wrapping_add(self.dc.next(&mut own)?.value);
        let mut at = 1;
        if let Some((blocks, lane)) = target {
            blocks[0][lane] = *prediction;
            while at < 64 {
                let step = self.ac.next(&mut own)?;
                at += usize::from(step.run);
                let Some(&place) = ZIGZAG.get(at) else { break };
                blocks[usize::from(place) % 64][lane] = step.value;
                at += 1;
            }
        } else {
            while at < 64 {
                at += usize::from(self.ac.next(&mut own)?.run) + 1;
            }
        }
        *stream = own;
        Some(())
    }
}
