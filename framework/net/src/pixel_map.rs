/// Description of a change that only moves pixels (a shift, a mirror image, a rotation by nearest neighbours), which engines
/// make themselves: where each pixel of the changed image comes from.
///
/// In 16.16 fixed point, as Pillow steps an affine map: the pixel at (column x, row y) is the one at
/// `(origin + x column_step + y row_step) >> 16` of an image of the same size, and black where that lies outside. Pairs are
/// (column, row). Devices take it as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PixelMap {
    /// Where the first pixel comes from.
    pub origin: [i64; 2],
    /// How much further the next pixel of a row comes from.
    pub column_step: [i64; 2],
    /// How much further the pixel below comes from.
    pub row_step: [i64; 2],
}

/// One pixel.
const ONE: i64 = 1 << 16;

impl PixelMap {
    /// Every pixel stays where it is.
    pub const IDENTITY: Self = Self::shift(0, 0);

    /// Moves what is so many columns further right, and rows further down, to where one looks.
    pub const fn shift(right: i64, down: i64) -> Self {
        Self { origin: [right * ONE, down * ONE], column_step: [ONE, 0], row_step: [0, ONE] }
    }

    /// Swaps left and right of images of this width.
    pub const fn mirror(width: usize) -> Self {
        Self { origin: [(width as i64 - 1) * ONE, 0], column_step: [-ONE, 0], row_step: [0, ONE] }
    }

    /// Column and row that a pixel comes from, as an image of `width` columns and `height` rows has them; none outside of it.
    pub const fn source(
        &self,
        (column, row): (usize, usize),
        (width, height): (usize, usize),
    ) -> Option<(usize, usize)> {
        let (x, y) = (column as i64, row as i64);
        // What is negative becomes huge, and lies outside.
        let from_column = ((self.origin[0] + x * self.column_step[0] + y * self.row_step[0]) >> 16) as usize;
        let from_row = ((self.origin[1] + x * self.column_step[1] + y * self.row_step[1]) >> 16) as usize;
        if from_column < width && from_row < height { Some((from_column, from_row)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_and_mirrors_come_from_where_they_say() {
        let size = (4, 3);
        assert_eq!(PixelMap::IDENTITY.source((3, 2), size), Some((3, 2)));
        assert_eq!(PixelMap::shift(1, -2).source((0, 2), size), Some((1, 0)));
        assert_eq!(PixelMap::shift(1, -2).source((0, 1), size), None);
        assert_eq!(PixelMap::shift(1, -2).source((3, 2), size), None);
        assert_eq!(PixelMap::mirror(4).source((0, 1), size), Some((3, 1)));
        assert_eq!(PixelMap::mirror(4).source((3, 1), size), Some((0, 1)));
    }
}
