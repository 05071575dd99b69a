//! Marks that tell series apart without colour.

use super::svg::{Px, Svg};
use super::theme::Role;

/// How often the dashes of lines differ before they are used again.
const DASHES: [&str; 6] = ["none", "7 3", "2 2.5", "9 3 2 3", "4 2", "12 4"];

/// The dashes of a series' line.
pub(super) fn dash(series: usize) -> &'static str {
    DASHES[series % DASHES.len()]
}

/// A marker of a series: circle, square, triangle, diamond, inverted triangle or cross.
pub(super) fn marker(
    svg: &mut Svg,
    series: usize,
    x: f64,
    y: f64,
    radius: f64,
    opacity: f64,
    hint: Option<&str>,
) {
    let role = Role::Series(series);
    let point = |dx: f64, dy: f64| format!("{} {}", Px(x + dx * radius), Px(y + dy * radius));
    let outline = |corners: &[(f64, f64)]| {
        let corners: Vec<String> = corners.iter().map(|&(dx, dy)| point(dx, dy)).collect();
        format!("M{}Z", corners.join("L"))
    };
    let path = match series % 6 {
        0 => {
            let r = Px(radius);
            format!(
                "M{}a{r} {r} 0 1 0 {} 0a{r} {r} 0 1 0 {} 0Z",
                point(-1.0, 0.0),
                Px(2.0 * radius),
                Px(-2.0 * radius)
            )
        }
        1 => outline(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => outline(&[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)]),
        3 => outline(&[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)]),
        4 => outline(&[(0.0, 1.2), (1.15, -0.85), (-1.15, -0.85)]),
        _ => outline(&[
            (-0.4, -1.1),
            (0.4, -1.1),
            (0.4, -0.4),
            (1.1, -0.4),
            (1.1, 0.4),
            (0.4, 0.4),
            (0.4, 1.1),
            (-0.4, 1.1),
            (-0.4, 0.4),
            (-1.1, 0.4),
            (-1.1, -0.4),
            (-0.4, -0.4),
        ]),
    };
    let (class, colour, opacity) = (role.fill(), role.colour(), Px(opacity));
    let attributes: [(&str, &dyn std::fmt::Display); 4] =
        [("class", &class), ("fill", &colour), ("fill-opacity", &opacity), ("d", &path)];
    match hint {
        Some(hint) => svg.hinted("path", &attributes, hint),
        None => svg.element("path", &attributes),
    }
}
