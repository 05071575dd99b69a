//! Operations on images and decoders, held against Pillow and torchvision (`tests/golden/imaging.py`).

use std::path::Path;

use balpoe_core::components::{Image, Window};
use balpoe_data::imaging::{self, Affine, Interpolation};
use balpoe_data::{DecodeError, Encoded};
use safetensors::SafeTensors;

const FILL: [u8; 3] = [124, 116, 104];

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/imaging.safetensors");
    std::fs::read(path).unwrap()
}

fn image(golden: &SafeTensors<'_>, name: &str) -> Image {
    let tensor = golden.tensor(name).unwrap();
    let [height, width, 3] = tensor.shape() else { panic!("{name} is no image: {:?}", tensor.shape()) };
    Image { height: *height, width: *width, pixels: tensor.data().to_vec() }
}

/// The largest difference of a value, and how many values differ.
fn difference(found: &Image, expected: &Image) -> (u8, usize) {
    assert_eq!((found.height, found.width), (expected.height, expected.width));
    let gaps = || found.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b));
    (gaps().max().unwrap_or(0), gaps().filter(|&gap| gap > 0).count())
}

fn primitive(source: &Image, name: &str, value: &str) -> Image {
    let number = |()| value.parse::<f64>().unwrap();
    let image = source.clone();
    if let Some((map, interpolation)) = name.split_once('.') {
        let interpolation = match interpolation {
            "nearest" => Interpolation::Nearest,
            "bilinear" => Interpolation::Bilinear,
            _ => Interpolation::Bicubic,
        };
        let map = match map {
            "shear_x" => Affine::shear_x(number(())),
            "shear_y" => Affine::shear_y(number(())),
            "shift_x" => Affine::shift(number(()), 0.0),
            "shift_y" => Affine::shift(0.0, number(())),
            _ => Affine::rotation(number(()), source.height, source.width),
        };
        return map.apply(source, interpolation, FILL);
    }
    match name {
        "brightness" => imaging::adjust_brightness(image, number(()) as f32),
        "contrast" => imaging::adjust_contrast(image, number(()) as f32),
        "colour" => imaging::adjust_colour(image, number(()) as f32),
        "sharpness" => imaging::adjust_sharpness(image, number(()) as f32),
        "autocontrast" => imaging::autocontrast(image),
        "equalize" => imaging::equalize(image),
        "invert" => imaging::invert(image),
        "grayscale" => imaging::grayscale(image),
        "posterize" => imaging::posterize(image, number(()) as u32),
        "solarize" => imaging::solarize(image, number(())),
        "solarize_add" => imaging::solarize_add(image, number(()) as u8),
        "blur" => imaging::gaussian_blur(source, 17, number(()) as f32),
        other => panic!("the golden file has an operation {other} that is not tested"),
    }
}

/// Every operation bit by bit, but for the blur: one step of 255, since torch sums in another order.
#[test]
fn operations_agree_with_pillow() {
    let file = golden();
    let golden = SafeTensors::deserialize(&file).unwrap();
    let mut held = 0;
    let mut wrong = Vec::new();
    for name in golden.names() {
        let Some((number, operation)) = name.strip_prefix("primitive.").and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let (operation, value) = operation.split_once('/').unwrap();
        let found = primitive(&image(&golden, &format!("source.{number}")), operation, value);
        let (gap, values) = difference(&found, &image(&golden, name));
        if gap > u8::from(operation == "blur") {
            wrong.push(format!("{name}: {values} values differ, by up to {gap}"));
        }
        held += 1;
    }
    assert!(held > 100 && wrong.is_empty(), "{held} held\n{}", wrong.join("\n"));
}

/// Scaling: one step of 255, since fixed-point weights are rounded otherwise.
#[test]
fn scaled_windows_agree_with_torchvision() {
    let file = golden();
    let golden = SafeTensors::deserialize(&file).unwrap();
    let source = image(&golden, "source.large");
    for name in golden.names() {
        let numbers = |rest: &str| rest.split(',').map(|n| n.parse().unwrap()).collect::<Vec<usize>>();
        let found = if let Some(window) = name.strip_prefix("window/") {
            let [top, left, height, width, rows, columns] = numbers(window)[..] else { panic!("{name}") };
            imaging::cut(&source, Window { top, left, height, width, size: (rows, columns) })
        } else if let Some(test) = name.strip_prefix("test/") {
            let [shorter, side] = numbers(test)[..] else { panic!("{name}") };
            imaging::fit_and_crop(&source, shorter, (side, side))
        } else {
            continue;
        };
        let (gap, values) = difference(&found, &image(&golden, name));
        assert!(gap <= 1, "{name}: {values} values differ, by up to {gap}");
    }
}

/// PNG and ordinary JPEG bit by bit. Progressive and CMYK files within a few steps of 255, since their decoder rounds the transform,
/// the colours and their interpolation in its own way.
#[test]
fn files_are_read_as_pillow_reads_them() {
    let file = golden();
    let golden = SafeTensors::deserialize(&file).unwrap();
    let mut report = Vec::new();
    for name in golden.names() {
        let Some(name) = name.strip_prefix("file/") else { continue };
        let bytes = golden.tensor(&format!("file/{name}")).unwrap().data().to_vec();
        let expected = image(&golden, &format!("decoded/{name}"));
        let encoded = Encoded::new(bytes).unwrap();
        let header = encoded.header().clone();
        assert_eq!(header.grey, name.contains("grey") || name.contains("sixteen"), "{name}");
        assert_eq!(
            (header.cmyk, header.sixteen_bit),
            (name.contains("cmyk"), name.contains("sixteen")),
            "{name}"
        );
        assert_eq!(header.orientation, if ["turned.jpg", "upright.jpg"].contains(&name) { 6 } else { 1 });
        let mut found = encoded.decode().unwrap();
        if name == "upright.jpg" {
            found = imaging::orient(found, header.orientation);
        }
        let (gap, _) = difference(&found, &expected);
        let sum: u64 =
            found.pixels.iter().zip(&expected.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / found.pixels.len() as f64;
        let other = ["progressive.jpg", "cmyk.jpg"].contains(&name);
        let (most, most_mean) = if other { (MOST, MOST_MEAN) } else { (0, 0.0) };
        if gap > most || mean > most_mean {
            report.push(format!("{name}: up to {gap}, {mean:.3} in the mean"));
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
}

const MOST: u8 = 5;
const MOST_MEAN: f64 = 0.6;

/// A window alone is the same as that window of the whole, at all kinds of places, with its smoothed colours.
#[test]
fn decoding_a_window_gives_the_same_pixels() {
    let file = golden();
    let golden = SafeTensors::deserialize(&file).unwrap();
    for name in golden.names() {
        let Some(name) = name.strip_prefix("file/") else { continue };
        let bytes = golden.tensor(&format!("file/{name}")).unwrap().data().to_vec();
        let encoded = Encoded::new(bytes).unwrap();
        let whole = encoded.clone().decode().unwrap();
        let mut word = 1_u32;
        let mut below = |n: usize| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 16) as usize % n
        };
        for _ in 0..100 {
            let (top, left) = (below(whole.height), below(whole.width));
            let (height, width) = (1 + below(whole.height - top), 1 + below(whole.width - left));
            for size in [(height, width), (20, 30)] {
                let window = Window { top, left, height, width, size };
                let part = encoded.clone().decode_window(window).unwrap();
                assert!(part == imaging::cut(&whole, window), "{name}, {window:?}");
            }
        }
    }
}

/// Whatever is cut off or overwritten: an error or an image, never a panic; a file that was cut off is always noticed.
#[test]
fn broken_files_are_noticed() {
    let file = golden();
    let golden = SafeTensors::deserialize(&file).unwrap();
    for name in ["420.jpg", "progressive.jpg", "grey.jpg", "rgb.png", "palette.png"] {
        let bytes = golden.tensor(&format!("file/{name}")).unwrap().data().to_vec();
        for part in 1..40 {
            let end = bytes.len() * part / 40;
            let cut = Encoded::new(bytes[..end].to_vec()).and_then(Encoded::decode);
            assert!(cut.is_err(), "{name}: {end} of {} bytes give an image", bytes.len());
            let mut overwritten = bytes.clone();
            let place = (end * 7919) % bytes.len();
            overwritten[place] ^= 0x55;
            let _ = Encoded::new(overwritten).and_then(Encoded::decode);
        }
        let almost = Encoded::new(bytes[..bytes.len() - 2].to_vec()).and_then(Encoded::decode);
        if name.ends_with("jpg") {
            assert_eq!(almost, Err(DecodeError::Truncated), "{name}");
        }
    }
    for junk in [&b""[..], b"GIF89a", b"\xff\xd8", b"\xff\xd8\xff", b"<html>not found</html>"] {
        assert!(Encoded::new(junk.to_vec()).is_err());
    }
}
