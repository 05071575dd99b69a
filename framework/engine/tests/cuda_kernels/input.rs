//! Images that lie on the device: moved, normalised and blended.

use crate::machine::{Data, arguments, on_every_machine, random};
use balpoe_net::PixelMap;

/// `Blend` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct Blend {
    weight: f32,
    top: i32,
    bottom: i32,
    left: i32,
    right: i32,
}

impl Data for Blend {}
impl Data for PixelMap {}

const NO_BLEND: Blend = Blend { weight: 0.0, top: 0, bottom: 0, left: 0, right: 0 };

/// Images of a size, and what bytes are to the network.
struct Images {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    table: Vec<f32>,
}

impl Images {
    fn new(seed: u64, count: usize, height: usize, width: usize) -> Self {
        let pixels = random(seed, count * height * width * 3);
        let pixels = pixels.iter().map(|value| ((value + 1.0) * 127.5) as u8).collect();
        Self { height, width, pixels, table: random(seed + 1, 256 * 3) }
    }

    fn len(&self) -> usize {
        self.height * self.width * 3
    }

    /// An image after one map after the other, each making an image of its own, normalised.
    fn seen(&self, position: i32, maps: &[PixelMap]) -> Vec<f64> {
        let mut image = self.pixels[position as usize * self.len()..][..self.len()].to_vec();
        for map in maps {
            let pixel = |i: usize| {
                let place = (i / 3 % self.width, i / 3 / self.width);
                let source = map.source(place, (self.width, self.height));
                source.map_or(0, |(column, row)| image[(row * self.width + column) * 3 + i % 3])
            };
            image = (0..self.len()).map(pixel).collect();
        }
        (0..self.len()).map(|i| f64::from(self.table[image[i] as usize * 3 + i % 3])).collect()
    }
}

/// A turn by an angle, in the fixed point of the `rotation` augmentation.
fn turned(degrees: f64, height: usize, width: usize) -> PixelMap {
    let (sin, cos) = (-degrees.to_radians()).sin_cos();
    let (cy, cx) = (height as f64 / 2.0, width as f64 / 2.0);
    let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    PixelMap {
        origin: [
            fixed(cos * 0.5 + sin * 0.5 + (cx - cos * cx - sin * cy)),
            fixed(-sin * 0.5 + cos * 0.5 + (cy + sin * cx - cos * cy)),
        ],
        column_step: [fixed(cos), fixed(-sin)],
        row_step: [fixed(sin), fixed(cos)],
    }
}

/// Holds the kernel against images that are changed one step after the other. `positions` and `maps` are those of the images, then
/// of their partners.
fn check(images: &Images, positions: &[i32], maps: &[PixelMap], blend: Blend) {
    let (count, len) = (positions.len() / 2, images.len());
    let steps = maps.len() / positions.len();
    let seen = |place: usize| images.seen(positions[place], &maps[place * steps..(place + 1) * steps]);
    let mut expected = Vec::new();
    for image in 0..count {
        let (own, other) = (seen(image), seen(count + image));
        expected.extend((0..len).map(|i| {
            let (x, y) = ((i / 3 % images.width) as i32, (i / 3 / images.width) as i32);
            let blends = (blend.top..blend.bottom).contains(&y) && (blend.left..blend.right).contains(&x);
            let weight = if blends { f64::from(blend.weight) } else { 1.0 };
            weight * own[i] + (1.0 - weight) * other[i]
        }));
    }
    on_every_machine(|run| {
        let out = run.real_room(count * len);
        run.launch_loop(
            "view_images",
            count * len / 3,
            arguments![
                run.plain(&images.pixels),
                run.plain(positions),
                run.plain(maps),
                run.plain(&[blend]),
                run.plain(&images.table),
                out,
                count as i32,
                steps as i32,
                images.height as i32,
                images.width as i32,
            ],
        );
        run.assert_real("image", out, &expected);
    });
}

#[test]
fn images_are_moved_and_normalised() {
    let images = Images::new(1, 6, 7, 9);
    let maps = [
        [PixelMap::IDENTITY; 3],
        [PixelMap::shift(-2, 2), PixelMap::IDENTITY, PixelMap::IDENTITY],
        [PixelMap::shift(2, -2), PixelMap::mirror(9), PixelMap::IDENTITY],
        [PixelMap::IDENTITY, PixelMap::IDENTITY, turned(13.7, 7, 9)],
        // What leaves the image on the way does not come back.
        [PixelMap::shift(3, 1), PixelMap::mirror(9), turned(-8.25, 7, 9)],
        [turned(90.0, 7, 9), PixelMap::shift(0, -1), PixelMap::mirror(9)],
    ];
    let maps: Vec<PixelMap> = maps.iter().chain(&maps).flatten().copied().collect();
    let positions = [3, 0, 5, 1, 3, 2].repeat(2);
    check(&images, &positions, &maps, NO_BLEND);
}

#[test]
fn images_are_blended_with_their_partners() {
    let images = Images::new(3, 5, 6, 5);
    let positions = [4, 1, 0, 3, 1, 4];
    let maps: Vec<PixelMap> = (0..6).map(|i| PixelMap::shift(i - 3, 2 - i)).collect();
    let whole = Blend { weight: 0.3, top: 0, bottom: 6, left: 0, right: 5 };
    check(&images, &positions, &maps, whole);
    check(&images, &positions, &maps, Blend { weight: 0.0, top: 1, bottom: 4, left: 2, right: 5 });
    check(&images, &positions, &maps, Blend { weight: 1.0, ..whole });
    // Bytes that the host has changed have no maps.
    check(&images, &positions, &[], whole);
}
