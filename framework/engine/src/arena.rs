//! Memory that is shared by what does not live at the same time.

/// A part of an arena, in the arena's units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) offset: usize,
    pub(crate) len: usize,
    /// When it is first and last used.
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// Lets regions share memory where their lifetimes do not meet: the largest first, each at the lowest place that is free
/// during its whole life. Returns the size of the arena.
pub(crate) fn assign_offsets(mut regions: Vec<&mut Region>) -> usize {
    regions.sort_by_key(|region| (std::cmp::Reverse(region.len), region.first));
    let mut placed: Vec<Region> = Vec::new();
    let mut size = 0;
    for region in regions {
        let mut offset = 0;
        for other in &placed {
            let meets = region.first <= other.last && other.first <= region.last;
            if meets && offset + region.len > other.offset {
                offset = offset.max(other.offset + other.len);
            }
        }
        region.offset = offset;
        size = size.max(offset + region.len);
        let place = placed.partition_point(|other| other.offset <= offset);
        placed.insert(place, *region);
    }
    size
}
