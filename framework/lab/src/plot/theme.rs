//! Colours, for print, for light and for dark screens.
//!
//! Every mark carries a literal colour, which print and image viewers use, and a class, by which a page's style sheet replaces
//! it: rules of CSS are stronger than SVG's attributes.

use std::fmt::Write as _;

/// What a mark is for, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Titles and figures.
    Ink,
    /// Labels of axes and other words in the second row.
    Muted,
    /// Lines that lead the eye.
    Grid,
    /// Right predictions.
    Right,
    /// Wrong predictions, and gaps.
    Wrong,
    /// The marks of a series.
    Series(usize),
}

/// A colour on light and on dark ground.
struct Shade {
    light: &'static str,
    dark: &'static str,
}

const INK: Shade = Shade { light: "#1b1b1b", dark: "#ececec" };
const MUTED: Shade = Shade { light: "#595959", dark: "#b0b0b0" };
const GRID: Shade = Shade { light: "#d9d9d9", dark: "#3d3d3d" };

/// The hues of Okabe and Ito (2008), which people with any common colour-vision deficiency tell apart; darker ones on white,
/// so that thin lines keep a contrast of at least 3 to 1.
const SERIES: [Shade; 6] = [
    Shade { light: "#0072b2", dark: "#56b4e9" },
    Shade { light: "#d55e00", dark: "#ff9352" },
    Shade { light: "#008a64", dark: "#3fcf9f" },
    Shade { light: "#a5428b", dark: "#e79ccb" },
    Shade { light: "#8a6d00", dark: "#f0c83c" },
    Shade { light: "#4a4a4a", dark: "#c8c8c8" },
];

impl Role {
    fn shade(self) -> &'static Shade {
        match self {
            Self::Ink => &INK,
            Self::Muted => &MUTED,
            Self::Grid => &GRID,
            Self::Right => &SERIES[0],
            Self::Wrong => &SERIES[1],
            Self::Series(index) => &SERIES[index % SERIES.len()],
        }
    }

    fn name(self) -> String {
        match self {
            Self::Ink => "ink".to_owned(),
            Self::Muted => "muted".to_owned(),
            Self::Grid => "grid".to_owned(),
            Self::Right => Self::Series(0).name(),
            Self::Wrong => Self::Series(1).name(),
            Self::Series(index) => format!("hue{}", index % SERIES.len()),
        }
    }

    /// The colour in print.
    pub(super) fn colour(self) -> &'static str {
        self.shade().light
    }

    /// The class of marks that are filled with it.
    pub(super) fn fill(self) -> String {
        format!("fill-{}", self.name())
    }

    /// The class of marks that are drawn with it.
    pub(super) fn stroke(self) -> String {
        format!("stroke-{}", self.name())
    }
}

/// Style rules by which plots inside a page follow the reader's theme. It defines the variables `--ink`, `--muted`, `--grid`
/// and `--hue0` to `--hue5`, which the page may use as well; printed pages are light.
pub fn stylesheet() -> String {
    let roles: Vec<Role> =
        [Role::Ink, Role::Muted, Role::Grid].into_iter().chain((0..SERIES.len()).map(Role::Series)).collect();
    let variables = |of: fn(&Shade) -> &'static str| {
        roles.iter().fold(String::new(), |mut text, role| {
            let _ = write!(text, "--{}:{};", role.name(), of(role.shade()));
            text
        })
    };
    let mut text = format!(":root{{{}}}\n", variables(|shade| shade.light));
    let _ = writeln!(
        text,
        "@media screen and (prefers-color-scheme: dark){{:root{{{}}}}}",
        variables(|shade| shade.dark)
    );
    for role in roles {
        let name = role.name();
        let _ = writeln!(text, ".fill-{name}{{fill:var(--{name})}}.stroke-{name}{{stroke:var(--{name})}}");
    }
    text
}
