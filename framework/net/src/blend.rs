use std::ops::Range;

/// Description of a blend of the images of a batch with others of it (mixup, cutmix), which engines make themselves.
///
/// Inside a box a pixel becomes `weight x + (1 - weight) x'`, where `x'` is the partner's pixel at the same place; outside it
/// stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    /// The place in the batch of each image's partner, `[batch]`.
    pub partners: Vec<u32>,
    /// What an image keeps of itself inside the box.
    pub weight: f32,
    /// The box's rows.
    pub rows: Range<usize>,
    /// The box's columns.
    pub columns: Range<usize>,
}
