//! Plots as SVG: readable in print and by people who do not see all colours.
//!
//! Every plot is a plain description of what it shows with a method `svg` that draws it. Drawing is a pure function: the same
//! numbers give the same bytes. A drawing stands on its own, with literal colours for print; inside a page,
//! [`stylesheet`] lets the reader's light or dark theme take over. Series differ by marker and dash as well as by colour.

mod axis;
mod canvas;
mod class_accuracy;
mod comparison;
mod confusion;
mod histogram;
mod marks;
mod reliability;
mod scale;
mod svg;
mod theme;
mod training;

pub use class_accuracy::ClassAccuracies;
pub use comparison::{Comparison, Point, Series};
pub use confusion::Confusion;
pub use histogram::OutcomeHistogram;
pub use reliability::ReliabilityDiagram;
pub use theme::stylesheet;
pub use training::{Curve, TrainingCurves};
