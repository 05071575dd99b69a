//! The frame that plots share: title, legend, axes, and the area between them.

use super::axis::{Axis, LETTER, shortened, width_of};
use super::marks::{dash, marker};
use super::svg::{Px, Svg};
use super::theme::Role;

/// Width of every plot in pixels: the type stays readable on a phone, and two stand side by side on a page.
pub(super) const WIDTH: f64 = 420.0;

/// What is to be drawn around the area.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    /// What a screen reader says after the title.
    pub(super) description: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) legend: Vec<Key>,
    /// Height of the area; as high as it is wide if not given.
    pub(super) height: Option<f64>,
    /// Height of a second, lower area that shares the axis below; 0 for none.
    pub(super) strip: f64,
    /// Room for words between legend and area; 0 for none.
    pub(super) above: f64,
    /// Whether lines lead from the left axis through the area.
    pub(super) grid: bool,
}

/// An entry of the legend.
pub(super) struct Key {
    pub(super) sign: Sign,
    pub(super) words: String,
}

/// What an entry of the legend looks like.
pub(super) enum Sign {
    /// A line with markers.
    Series(usize),
    /// A line.
    Line(usize),
    /// A marker.
    Marker(usize),
    /// A filled square.
    Area(Role, f64),
}

/// A rectangle of the picture.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) fn right(self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(self) -> f64 {
        self.top + self.height
    }
}

/// A chart whose frame is drawn, ready for its marks.
pub(super) struct Canvas {
    pub(super) svg: Svg,
    pub(super) area: Area,
    /// The lower area, without height if there is none.
    pub(super) strip: Area,
    x: Axis,
    y: Axis,
}

/// Room between the picture's edge and what stands there.
const EDGE: f64 = 14.0;
const SIGN: f64 = 24.0;
const ROW: f64 = 16.0;
const STRIP_GAP: f64 = 8.0;

impl Chart<'_> {
    /// Draws the frame.
    pub(super) fn canvas(self) -> Canvas {
        let left = (self.y.widest() + 30.0).max(46.0);
        let right = EDGE;
        let legend = rows(&self.legend, WIDTH - 2.0 * EDGE);
        let top = 30.0 + legend.len() as f64 * ROW + 8.0 + self.above;
        let width = WIDTH - left - right;
        let area = Area { left, top, width, height: self.height.unwrap_or(width) };
        let strip_gap = if self.strip > 0.0 { STRIP_GAP } else { 0.0 };
        let strip = Area { top: area.bottom() + strip_gap, height: self.strip, ..area };
        let steep = is_crowded(&self.x, width);
        let names = if steep { self.x.widest().min(110.0) * 0.77 + 14.0 } else { 18.0 };
        let height = strip.bottom() + names + 24.0;

        let mut svg = Svg::new(WIDTH, height, self.title, self.description);
        let title = shortened(self.title, WIDTH - 4.0 * EDGE);
        text(
            &mut svg,
            Role::Ink,
            (EDGE, 18.0),
            "start",
            &title,
            &[("font-size", &"12"), ("font-weight", &"600")],
        );
        draw_legend(&mut svg, &self.legend, &legend);
        let mut canvas = Canvas { svg, area, strip, x: self.x, y: self.y };
        canvas.draw_axes(steep, self.grid, height);
        canvas
    }
}

impl Canvas {
    /// The place of a value on the axis below.
    pub(super) fn x(&self, value: f64) -> f64 {
        self.area.left + self.x.scale.place(value) * self.area.width
    }

    /// The place of a value on the axis at the left.
    pub(super) fn y(&self, value: f64) -> f64 {
        self.area.bottom() - self.y.scale.place(value) * self.area.height
    }

    /// A straight line from one place to another.
    pub(super) fn line(&mut self, role: Role, from: (f64, f64), to: (f64, f64), width: f64, dash: &str) {
        line(&mut self.svg, role, from, to, width, dash);
    }

    /// Words at a place.
    pub(super) fn text(&mut self, role: Role, at: (f64, f64), anchor: &str, words: &str) {
        text(&mut self.svg, role, at, anchor, words, &[]);
    }

    /// A filled rectangle from one corner to the opposite one.
    pub(super) fn rectangle(
        &mut self,
        role: Role,
        from: (f64, f64),
        to: (f64, f64),
        opacity: f64,
        hint: &str,
    ) {
        self.svg.hinted(
            "rect",
            &[
                ("class", &role.fill()),
                ("fill", &role.colour()),
                ("fill-opacity", &Px(opacity)),
                ("x", &Px(from.0.min(to.0))),
                ("y", &Px(from.1.min(to.1))),
                ("width", &Px((to.0 - from.0).abs())),
                ("height", &Px((to.1 - from.1).abs())),
            ],
            hint,
        );
    }

    /// The line of a series through these places, interrupted where there is none.
    pub(super) fn path(&mut self, series: usize, places: &[Option<(f64, f64)>]) {
        let mut path = String::new();
        let mut pen_down = false;
        for place in places {
            if let Some((x, y)) = place {
                path += &format!("{}{} {}", if pen_down { "L" } else { "M" }, Px(*x), Px(*y));
            }
            pen_down = place.is_some();
        }
        if path.is_empty() {
            return;
        }
        let role = Role::Series(series);
        self.svg.element(
            "path",
            &[
                ("class", &role.stroke()),
                ("stroke", &role.colour()),
                ("fill", &"none"),
                ("stroke-width", &"1.6"),
                ("stroke-linejoin", &"round"),
                ("stroke-dasharray", &dash(series)),
                ("d", &path),
            ],
        );
    }

    /// The finished drawing.
    pub(super) fn finish(self) -> String {
        self.svg.finish()
    }

    fn draw_axes(&mut self, steep: bool, grid: bool, height: f64) {
        let (area, strip) = (self.area, self.strip);
        let svg = &mut self.svg;
        for (value, name) in &self.y.ticks {
            let y = area.bottom() - self.y.scale.place(*value) * area.height;
            if grid {
                line(svg, Role::Grid, (area.left, y), (area.right(), y), 1.0, "none");
            }
            text(svg, Role::Muted, (area.left - 6.0, y + 4.0), "end", name, &[]);
        }
        let bottom = strip.bottom();
        for (value, name) in &self.x.ticks {
            let x = area.left + self.x.scale.place(*value) * area.width;
            line(svg, Role::Muted, (x, bottom), (x, bottom + 4.0), 1.0, "none");
            if steep {
                let turn = format!("rotate(-50 {} {})", Px(x + 3.0), Px(bottom + 14.0));
                text(svg, Role::Muted, (x + 3.0, bottom + 14.0), "end", name, &[("transform", &turn)]);
            } else {
                text(svg, Role::Muted, (x, bottom + 16.0), "middle", name, &[]);
            }
        }
        line(svg, Role::Muted, (area.left, area.bottom()), (area.right(), area.bottom()), 1.0, "none");
        if strip.height > 0.0 {
            line(svg, Role::Muted, (area.left, bottom), (area.right(), bottom), 1.0, "none");
        }
        let middle = area.left + area.width / 2.0;
        text(svg, Role::Ink, (middle, height - 8.0), "middle", &shortened(&self.x.label, WIDTH - 20.0), &[]);
        let middle = area.top + area.height / 2.0;
        let turn = format!("rotate(-90 14 {})", Px(middle));
        let label = shortened(&self.y.label, area.height + 40.0);
        text(svg, Role::Ink, (14.0, middle), "middle", &label, &[("transform", &turn)]);
    }
}

fn line(svg: &mut Svg, role: Role, from: (f64, f64), to: (f64, f64), width: f64, dash: &str) {
    svg.element(
        "line",
        &[
            ("class", &role.stroke()),
            ("stroke", &role.colour()),
            ("stroke-width", &Px(width)),
            ("stroke-dasharray", &dash),
            ("x1", &Px(from.0)),
            ("y1", &Px(from.1)),
            ("x2", &Px(to.0)),
            ("y2", &Px(to.1)),
        ],
    );
}

fn text(
    svg: &mut Svg,
    role: Role,
    (x, y): (f64, f64),
    anchor: &str,
    words: &str,
    more: &super::svg::Attributes<'_>,
) {
    let (class, colour, x, y) = (role.fill(), role.colour(), Px(x), Px(y));
    let mut attributes: Vec<(&str, &dyn std::fmt::Display)> =
        vec![("class", &class), ("fill", &colour), ("x", &x), ("y", &y), ("text-anchor", &anchor)];
    attributes.extend_from_slice(more);
    svg.words("text", &attributes, words);
}

/// Whether names below an axis would touch each other.
fn is_crowded(axis: &Axis, width: f64) -> bool {
    let places: Vec<f64> = axis.ticks.iter().map(|(value, _)| axis.scale.place(*value) * width).collect();
    let room = places.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(width, f64::min);
    axis.widest() + 4.0 > room
}

/// How wide an entry of the legend is.
fn key_width(key: &Key, room: f64) -> f64 {
    (SIGN + width_of(&key.words) + 16.0).min(room)
}

/// The entries of the legend in rows, by position.
fn rows(legend: &[Key], room: f64) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let mut used = 0.0;
    for (position, key) in legend.iter().enumerate() {
        let width = key_width(key, room);
        match rows.last_mut() {
            Some(row) if used + width <= room => row.push(position),
            _ => {
                rows.push(vec![position]);
                used = 0.0;
            }
        }
        used += width;
    }
    rows
}

fn draw_legend(svg: &mut Svg, legend: &[Key], rows: &[Vec<usize>]) {
    let room = WIDTH - 2.0 * EDGE;
    for (row, keys) in rows.iter().enumerate() {
        let y = 36.0 + row as f64 * ROW;
        let mut x = EDGE;
        for &position in keys {
            let key = &legend[position];
            draw_sign(svg, &key.sign, x, y);
            let words = shortened(&key.words, room - SIGN);
            text(svg, Role::Ink, (x + SIGN, y + 4.0), "start", &words, &[]);
            x += key_width(key, room);
        }
    }
}

fn draw_sign(svg: &mut Svg, sign: &Sign, x: f64, y: f64) {
    let middle = x + SIGN / 2.0 - 3.0;
    match *sign {
        Sign::Series(series) => {
            line(svg, Role::Series(series), (x, y), (x + SIGN - 6.0, y), 1.6, dash(series));
            marker(svg, series, middle, y, 3.5, 1.0, None);
        }
        Sign::Line(series) => {
            line(svg, Role::Series(series), (x, y), (x + SIGN - 6.0, y), 1.8, dash(series));
        }
        Sign::Marker(series) => marker(svg, series, middle, y, 3.5, 1.0, None),
        Sign::Area(role, opacity) => svg.element(
            "rect",
            &[
                ("class", &format!("{} {}", role.fill(), role.stroke())),
                ("fill", &role.colour()),
                ("fill-opacity", &Px(opacity)),
                ("stroke", &role.colour()),
                ("stroke-width", &"0.8"),
                ("x", &Px(middle - 5.0)),
                ("y", &Px(y - 5.0)),
                ("width", &"10"),
                ("height", &"10"),
            ],
        ),
    }
}

const _: () = assert!(LETTER < ROW, "rows of the legend do not touch");
