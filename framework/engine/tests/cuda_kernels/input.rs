//! Augmentation and mixup on the device.

use crate::machine::{Data, Runner, arguments, on_every_machine, random};

/// `Change` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct Change {
    top: i32,
    left: i32,
    flip: i32,
    turn: i32,
    row: [i64; 2],
    column_step: [i64; 2],
    row_step: [i64; 2],
}

impl Data for Change {}

const HEIGHT: usize = 7;
const WIDTH: usize = 9;
const PADDING: usize = 2;
const LEN: usize = HEIGHT * WIDTH * 3;

impl Change {
    /// Turned by an angle, in the fixed point of the `rotation` augmentation.
    fn new(top: usize, left: usize, flip: bool, degrees: Option<f64>) -> Self {
        let (sin, cos) = (-degrees.unwrap_or(0.0).to_radians()).sin_cos();
        let (cy, cx) = (HEIGHT as f64 / 2.0, WIDTH as f64 / 2.0);
        let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
        Self {
            top: top as i32,
            left: left as i32,
            flip: flip.into(),
            turn: degrees.is_some().into(),
            row: [
                fixed(cos * 0.5 + sin * 0.5 + (cx - cos * cx - sin * cy)),
                fixed(-sin * 0.5 + cos * 0.5 + (cy + sin * cx - cos * cy)),
            ],
            column_step: [fixed(cos), fixed(-sin)],
            row_step: [fixed(sin), fixed(cos)],
        }
    }

    /// One image after the other steps, each into an image of its own.
    fn apply(&self, image: &[u8]) -> Vec<u8> {
        let at = |image: &[u8], y: i64, x: i64, c: usize| {
            let inside = (0..HEIGHT as i64).contains(&y) && (0..WIDTH as i64).contains(&x);
            if inside { image[(y as usize * WIDTH + x as usize) * 3 + c] } else { 0 }
        };
        let draw = |pixel: &dyn Fn(i64, i64, usize) -> u8| -> Vec<u8> {
            (0..LEN).map(|i| pixel((i / 3 / WIDTH) as i64, (i / 3 % WIDTH) as i64, i % 3)).collect()
        };
        let (top, left) = (i64::from(self.top) - PADDING as i64, i64::from(self.left) - PADDING as i64);
        let cropped = draw(&|y, x, c| at(image, y + top, x + left, c));
        let flipped =
            draw(&|y, x, c| at(&cropped, y, if self.flip == 1 { WIDTH as i64 - 1 - x } else { x }, c));
        if self.turn == 0 {
            return flipped;
        }
        draw(&|y, x, c| {
            let place =
                |side: usize| (self.row[side] + y * self.row_step[side] + x * self.column_step[side]) >> 16;
            at(&flipped, place(1), place(0), c)
        })
    }
}

#[test]
fn images_are_cropped_flipped_turned_and_normalised() {
    let images: Vec<u8> = random(1, 6 * LEN).iter().map(|v| ((v + 1.0) * 127.5) as u8).collect();
    let table = random(2, 256 * 3);
    let changes = [
        Change::new(2, 2, false, None),
        Change::new(0, 4, false, None),
        Change::new(4, 0, true, None),
        Change::new(2, 2, false, Some(13.7)),
        Change::new(1, 3, true, Some(-8.25)),
    ];
    let position = [3, 0, 5, 1, 3];
    on_every_machine(|run| {
        let out = run.real_room(changes.len() * LEN);
        run.launch_loop(
            "augment",
            changes.len() * HEIGHT * WIDTH,
            arguments![
                run.plain(&images),
                run.plain(&position),
                run.plain(&changes),
                run.plain(&table),
                out,
                changes.len() as i32,
                HEIGHT as i32,
                WIDTH as i32,
                PADDING as i32,
            ],
        );
        let expected: Vec<f64> = changes
            .iter()
            .zip(position)
            .flat_map(|(change, position)| change.apply(&images[position as usize * LEN..][..LEN]))
            .enumerate()
            .map(|(i, byte)| f64::from(table[byte as usize * 3 + i % 3]))
            .collect();
        run.assert_real("image", out, &expected);
    });
}

#[test]
fn an_image_that_is_not_turned_is_the_one_turned_by_nothing() {
    let image: Vec<u8> = random(3, LEN).iter().map(|v| ((v + 1.0) * 127.5) as u8).collect();
    assert_eq!(Change::new(2, 2, false, Some(0.0)).apply(&image), image);
}

#[test]
fn mixup_blends_with_the_partner() {
    on_every_machine(|run: &Runner<'_>| {
        let (x, stored) = run.real(&random(4, 3 * 50));
        let (partner, lambda) = ([2, 0, 2], [0.3f32, 0.9, 1.0]);
        let out = run.real_room(150);
        run.launch_loop("mixup", 150, arguments![x, run.plain(&partner), run.plain(&lambda), out, 3, 50]);
        let expected: Vec<f64> = (0..150)
            .map(|i| {
                let weight = f64::from(lambda[i / 50]);
                let other = stored[partner[i / 50] as usize * 50 + i % 50];
                weight * f64::from(stored[i]) + (1.0 - weight) * f64::from(other)
            })
            .collect();
        run.assert_real("mixed", out, &expected);
    });
}
