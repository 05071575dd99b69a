//! Memory of a program: rooms that live from the first command that uses them to the last.
//!
//! A program is built twice by the same code: once to see when each room is used, then, as often as wanted and for any smaller
//! batch, with addresses.

use super::preview::RoomPreview;
use crate::arena::{Region, assign_offsets};
use crate::cuda::Address;

/// Unit and alignment of rooms, in bytes.
const LINE: usize = 256;

/// Where something lies on the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// Always there.
    Fixed(Address),
    /// So many bytes into a room.
    Room { id: usize, offset: usize },
}

impl Place {
    /// What a kernel is given where it takes nothing.
    pub(super) const NULL: Self = Self::Fixed(Address::NULL);

    /// The place so many bytes further on.
    pub(super) fn offset(self, bytes: usize) -> Self {
        match self {
            Self::Fixed(address) => Self::Fixed(address.offset(bytes)),
            Self::Room { id, offset } => Self::Room { id, offset: offset + bytes },
        }
    }
}

/// Where the rooms of a program lie, in an arena.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    regions: Vec<Region>,
    lines: usize,
}

impl Layout {
    /// Bytes of the arena.
    pub(super) fn bytes(&self) -> usize {
        self.lines * LINE
    }

    /// The rooms, in the order in which they are taken.
    pub(super) fn rooms(&self) -> impl Iterator<Item = RoomPreview> {
        self.regions.iter().map(|&Region { offset, len, first, last }| RoomPreview {
            bytes: offset * LINE..(offset + len) * LINE,
            commands: (first <= last).then_some((first, last)),
        })
    }

    /// The same rooms one behind the other.
    pub(super) fn apart(&self) -> Self {
        let mut lines = 0;
        let place = |&region: &Region| {
            let offset = lines;
            lines += region.len;
            Region { offset, ..region }
        };
        let regions = self.regions.iter().map(place).collect();
        Self { regions, lines }
    }
}

/// The rooms of a program that is being built.
pub(super) struct Rooms {
    regions: Vec<Region>,
    /// Rooms that the program has taken so far.
    taken: usize,
    /// The arena, unless the rooms have no places yet.
    arena: Option<Address>,
}

impl Rooms {
    /// Rooms that are to be placed.
    pub(super) fn unplaced() -> Self {
        Self { regions: Vec::new(), taken: 0, arena: None }
    }

    /// Rooms with their places.
    pub(super) fn placed(layout: &Layout, arena: Address) -> Self {
        Self { regions: layout.regions.clone(), taken: 0, arena: Some(arena) }
    }

    /// The next room.
    pub(super) fn take(&mut self, bytes: usize) -> Place {
        let len = bytes.div_ceil(LINE).max(1);
        if self.arena.is_none() {
            self.regions.push(Region { offset: 0, len, first: usize::MAX, last: 0 });
        }
        let id = self.taken;
        assert!(len <= self.regions[id].len, "room {id} is larger than it was planned");
        self.taken += 1;
        Place::Room { id, offset: 0 }
    }

    /// The address of a place that is used at a time; zero as long as rooms have no places.
    pub(super) fn address(&mut self, place: Place, time: usize) -> Address {
        match place {
            Place::Fixed(address) => address,
            Place::Room { id, offset } => {
                let region = &mut self.regions[id];
                region.first = region.first.min(time);
                region.last = region.last.max(time);
                self.arena.map_or(Address::NULL, |arena| arena.offset(region.offset * LINE + offset))
            }
        }
    }

    /// Places all rooms.
    pub(super) fn place(mut self) -> Layout {
        let lines = assign_offsets(self.regions.iter_mut().filter(|room| room.first <= room.last).collect());
        Layout { regions: self.regions, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_share_memory_when_their_lives_do_not_meet() {
        let mut rooms = Rooms::unplaced();
        let [a, b, c] = [1000, 100, 1024].map(|bytes| rooms.take(bytes));
        for (time, place) in [(0, a), (1, a), (1, b), (2, c), (3, b.offset(8)), (3, c)] {
            assert_eq!(rooms.address(place, time), Address::NULL);
        }
        let layout = rooms.place();
        assert_eq!((layout.bytes(), layout.apart().bytes(), layout.rooms().count()), (1280, 2304, 3));
        let mut rooms = Rooms::placed(&layout, Address(4096));
        let [a, b, c] = [500, 100, 1024].map(|bytes| rooms.take(bytes));
        assert_eq!(rooms.address(a, 0), rooms.address(c, 9));
        assert_eq!(rooms.address(b.offset(8), 0), Address(4096 + 1024 + 8));
    }
}
